// A message that is published under an id is one message, however often that is tried: the id becomes a session of the register
// (sessions.ts), in a space of its own for each topic.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { utf8 } from '../../wire/octets.ts';

const hashBytes = 20;

export const publishKey = (topic: string, id: string): string =>
  `topic:${bytesToHex(sha256(utf8(`${topic}\0${id}`)).subarray(0, hashBytes))}`;
