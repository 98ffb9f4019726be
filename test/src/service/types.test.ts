// What the compiler says about services. A line that it must refuse says so, and the compiler tells if it does not.
import { test } from 'node:test';
import { type } from 'arktype';
import * as v from 'valibot';
import { z } from 'zod';
import type { Node } from '../../../src/node.ts';
import { defineService, type Handlers, type ServiceClient, type ServiceStream, unchecked } from '../../../src/service/index.ts';

type Same<One, Other> = (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? true : false;
const same = <One, Other>(_is: Same<One, Other>): void => {};

const images = defineService({
  ...{ name: 'images', version: '1.0.0' },
  methods: {
    resize: {
      input: z.object({ width: z.string().transform(Number) }),
      output: z.number().transform(String),
      idempotent: true,
    },
    scan: { input: v.object({ path: v.optional(v.string(), '/') }), output: v.number(), stream: true },
    tag: { input: type({ name: 'string' }), output: type('string[]') },
    count: { output: unchecked<{ images: number }>() },
    anything: {},
  },
});
type Methods = typeof images.methods;
type Client = ServiceClient<Methods>;
type H = Handlers<Methods>;

test('whoever calls puts in what the schema takes, and gets what it gives', () => {
  same<Parameters<Client['resize']>[0], { width: string }>(true);
  same<ReturnType<Client['resize']>, Promise<string>>(true);
  same<Parameters<Client['scan']>[0], { path?: string | undefined }>(true);
  same<ReturnType<Client['scan']>, ServiceStream<number>>(true);
  same<ReturnType<Client['tag']>, Promise<string[]>>(true);
  same<ReturnType<Client['count']>, Promise<{ images: number }>>(true);
  same<ReturnType<Client['anything']>, Promise<unknown>>(true);
});

test('handlers get what the schema gives, and give what it takes', () => {
  same<Parameters<H['resize']>[0], { width: number }>(true);
  same<ReturnType<H['resize']>, number | Promise<number>>(true);
  same<Parameters<H['scan']>[0], { path: string }>(true);
  same<Parameters<H['tag']>[0], { name: string }>(true);
});

/** Compiled, never run. */
export const compiled = async (node: Node): Promise<void> => {
  const client = node.service(images);
  await client.count();
  await client.anything({ a: 1 });
  for await (const n of client.scan({}, { timeoutMs: 5 })) n.toFixed();
  // @ts-expect-error: it takes a text
  await client.resize({ width: 1 });
  // @ts-expect-error: it takes something
  await client.resize();
  // @ts-expect-error: there is no such method
  await client.rezise({ width: '1' });
  // @ts-expect-error: nor such an option
  await client.count(undefined, { timeout: 5 });
  // @ts-expect-error: a stream is no promise of one
  (await client.scan({})).toFixed();

  const handlers: H = {
    resize: ({ width }) => width * 2,
    async *scan({ path }) {
      yield path.length;
    },
    tag: ({ name }, { caller }) => [name, caller],
    count: async () => ({ images: 1 }),
    anything: (input, context) => context.call('other', 'method', input, { signal: context.signal }),
  };
  await node.serve(images, handlers);
  // @ts-expect-error: it gives a number
  await node.serve(images, { ...handlers, resize: ({ width }) => String(width) });
  // @ts-expect-error: a stream is no number
  await node.serve(images, { ...handlers, scan: () => 1 });
  const { count: _count, ...without } = handlers;
  // @ts-expect-error: a handler is missing
  await node.serve(images, without);
  defineService({
    ...{ name: 'x', version: '1.0.0' },
    // @ts-expect-error: there is no such importance
    methods: { m: { importance: 'high' } },
  });
};
