// The door of services: what developers write, serve and call.
export { callService, clientOf, streamService } from './client.ts';
export { ServiceContext } from './context.ts';
export {
  defineService,
  type Handler,
  type HandlerInput,
  type HandlerOutput,
  type Handlers,
  type MethodDefinition,
  type MethodDefinitions,
  type MethodInput,
  type MethodOutput,
  type ServiceClient,
  type ServiceDefinition,
  type ServiceSpecification,
} from './define.ts';
export { ServiceError } from './failures.ts';
export type { ServiceCallOptions } from './options.ts';
export { type Schema, unchecked } from './schema.ts';
export { type ServedService, serve } from './serve.ts';
export { ServiceStream } from './stream.ts';
