// What a route is: one row of the table that the server is made of, the reference page is checked against and 405 answers from.
import type { NodeApi } from '../../actors/api.ts';
import type { Exchange } from './exchange.ts';

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';

export type Route = {
  method: Method;
  /** In the router's words: `:name` is one segment, `*` the rest. */
  path: string;
  /** Needs no token: health checks of orchestrators carry none. */
  public?: true;
  handle: (exchange: Exchange, api: NodeApi) => void;
  /** The answer while there is no node yet; NOT_READY where absent. */
  starting?: (exchange: Exchange) => void;
};

const escaped = (text: string): string => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');

/** Which methods a path has, for 405 and its Allow header; empty = there is no such path. */
export const methodsOf = (routes: readonly Route[], path: string): Method[] =>
  routes.filter((route) => patternOf(route.path).test(path)).map((route) => route.method);

const patternOf = (path: string): RegExp =>
  new RegExp(
    `^${path
      .split('/')
      .map((part) => (part === '*' ? '.*' : part.startsWith(':') ? '[^/]+' : escaped(part)))
      .join('/')}$`,
  );
