// Two processes of one cluster: one serves thumbnails, the other calls it by a typed client, and waits for a stream. Nothing is generated:
// both know the definition.
//
//   node examples/thumbnails.ts serve            # the first process; prints where it listens
//   node examples/thumbnails.ts call MULTIADDR   # the second; prints three answers and ends
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNode, defineService, PolityError, ServiceError } from 'polity';
import { z } from 'zod';

const thumbnails = defineService({
  name: 'thumbnails',
  version: '1.0.0',
  methods: {
    make: {
      input: z.object({ image: z.string(), width: z.number().int().max(4_096).default(160) }),
      output: z.object({ name: z.string(), width: z.number(), madeBy: z.string() }),
      idempotent: true,
    },
    all: { input: z.object({ images: z.array(z.string()) }), output: z.string(), stream: true },
  },
});

const [role, address] = process.argv.slice(2);
if (role !== 'serve' && address === undefined) {
  console.error('node examples/thumbnails.ts serve, and in another terminal: node examples/thumbnails.ts call MULTIADDR');
  process.exit(2);
}
const name = role === 'serve' ? 'maker' : 'asker';
const data = mkdtempSync(join(tmpdir(), `polity-thumbnails-${name}-`));
const node = await createNode({
  ...{ name, data, cluster: 'thumbnails', listen: ['/ip4/127.0.0.1/tcp/0'] },
  // One of them forms the cluster, the other joins it.
  ...(role === 'serve' ? { bootstrap: [name] } : { join: [address!] }),
  secret: process.env.POLITY_SECRET ?? 'a secret of the first evening',
});
const end = async (): Promise<void> => {
  await node.stop();
  rmSync(data, { recursive: true, force: true });
};

if (role === 'serve') {
  await node.ready();
  await node.serve(thumbnails, {
    make({ image, width }, { caller }) {
      if (!image.endsWith('.png')) throw new ServiceError('NOT_AN_IMAGE', `${image} is no image`);
      console.log(`made ${image} for ${caller}`);
      return { name: `${width}-${image}`, width, madeBy: node.status().name };
    },
    async *all({ images }, { client }) {
      for (const image of images) yield (await client(thumbnails).make({ image })).name;
    },
  });
  const { listen } = node.status();
  console.log(`serves at ${listen[0]}`);
  process.once('SIGINT', () => void end());
  process.once('SIGTERM', () => void end());
} else {
  const client = node.service(thumbnails);
  /** Right after the start the catalog may not know yet who offers it. */
  const found = async (): Promise<Awaited<ReturnType<typeof client.make>>> => {
    for (let tries = 0; ; tries++)
      try {
        return await client.make({ image: 'cat.png' });
      } catch (error) {
        if (!(error instanceof PolityError && error.retryable) || tries === 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
  };
  console.log('one:', await found());
  for await (const made of client.all({ images: ['a.png', 'b.png'] })) console.log('of a stream:', made);
  await client.make({ image: 'words.txt' }).catch((error: PolityError) => console.log(error.code, error.details.reason));
  await end();
}
