// Where the examples find a cluster: POLITY_NODE, or the nodes of `npm start`.
import { type Client, createClient } from 'polity/client';

const nodes = process.env.POLITY_NODE ?? 'http://127.0.0.1:7501,http://127.0.0.1:7502,http://127.0.0.1:7503';

/** Tries one node after the other, so that the death of one is a delay and no error. */
export const connect = (): Client => createClient({ urls: nodes.split(',').map((url) => url.trim()), timeoutMs: 10_000 });
