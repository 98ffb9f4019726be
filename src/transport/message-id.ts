// What names a published message: all of it. A name made of a part would let a member that is not honest put something else under the
// name of what it passes on: the true one would then count as a repeat, and those who forward it as offenders.
import { hash } from 'node:crypto';

type Named = { data?: Uint8Array };

/** Of SHA-256, which collides nowhere; 160 bits are enough for the minute in which a name matters. */
const messageIdBytes = 20;

const nothing = new Uint8Array(0);

/** A Latin-1 character a byte. Gossipsub asks twice for the same bytes: first by this, then by `messageId`. */
export const messageName = (message: Named): string => {
  const data = message.data ?? nothing;
  if (last.data === data) return last.name;
  const name = hash('sha256', data, 'binary').slice(0, messageIdBytes);
  last = { data, name };
  return name;
};

export const messageId = (message: Named): Uint8Array => Buffer.from(messageName(message), 'latin1');

let last: { data: Uint8Array; name: string } = {
  data: nothing,
  name: hash('sha256', nothing, 'binary').slice(0, messageIdBytes),
};
