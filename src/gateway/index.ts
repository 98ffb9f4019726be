// The door of the gateway: the HTTP of a node (design, contracts).
export { tokenText } from './answers.ts';
export { backupFormat } from './backup.ts';
export { isLoopbackHost } from './guards.ts';
export { type GatewayLimits, gatewayLimits } from './limits.ts';
export { type MemberView, membersOf } from './members.ts';
export { everyRoute, type Gateway, type GatewayOptions, openGateway } from './server.ts';
