// What simulated nodes offer to be called. A handler does what the call that it is executed for was drawn to want of it, in its
// process, so that a node that is slow, paused or dead is that in this, too.
import type {
  CallContext,
  CallEvents,
  CallHandle,
  HostedMethod,
  HostedService,
  ServiceCall,
} from '../../actors/service-api.ts';
import type { BulkheadOptions, Importance } from '../../machines/bulkhead/index.ts';
import { failure } from '../../machines/errors.ts';
import type { Process } from '../process.ts';
import type { World } from '../world.ts';
import type { CallsJudge, Run } from './judge.ts';

export const methods = {
  /** May not be repeated. */
  add: { idempotent: false, isStream: false, importance: 'normal' },
  put: { idempotent: true, isStream: false, importance: 'normal' },
  items: { idempotent: true, isStream: true, importance: 'normal' },
  /** Calls `put` of another service within its call. */
  relay: { idempotent: true, isStream: false, importance: 'normal' },
  urgent: { idempotent: true, isStream: false, importance: 'critical' },
  bulk: { idempotent: true, isStream: false, importance: 'background' },
} as const satisfies Record<string, { idempotent: boolean; isStream: boolean; importance: Importance }>;

export type MethodName = keyof typeof methods;

export const methodNames = Object.keys(methods) as readonly MethodName[];

/** Small, so that a few calls fill it. */
const bulkhead: BulkheadOptions = {
  ...{ runningMax: { critical: 8, normal: 6, background: 3 }, queueMax: 12, queueMsMax: 500 },
};

/** The service that is asked for too much in the end: nothing is reserved there for what matters most, which has to be put first. */
export const busy = 'busy';

const busyBulkhead: BulkheadOptions = {
  ...{ runningMax: { critical: 3, normal: 3, background: 3 }, queueMax: 8, queueMsMax: 500 },
};

export const bulkheadOf = (service: string): BulkheadOptions => (service === busy ? busyBulkhead : bulkhead);

/** One life of a node, as its handlers know it. */
export type Host = {
  readonly world: World;
  readonly judge: CallsJudge;
  readonly node: string;
  readonly life: string;
  readonly process: Process;
  /** Its services fail without trying, for as long as that lasts. */
  isSick(service: string): boolean;
  /** When what is due at `deadlineMs` of its clock is due. */
  worldMs(deadlineMs: number): number;
  /** Null: there is nothing to relay to. */
  relay(within: CallContext, done: () => void): Pick<CallHandle, 'cancel'> | null;
};

class Handler implements CallHandle {
  readonly #host: Host;
  readonly #run: Run;
  readonly #on: CallEvents;
  readonly #context: CallContext;
  #inner: Pick<CallHandle, 'cancel'> | null = null;
  /** Somebody makes the next item already. */
  #isGiving = false;

  constructor(host: Host, run: Run, on: CallEvents, context: CallContext) {
    this.#host = host;
    this.#run = run;
    this.#on = on;
    this.#context = context;
  }

  #later(ms: number, run: () => void): void {
    const { world, process } = this.#host;
    world.after(ms, () => process.arrive('handler', () => (this.#run.isOver ? undefined : run())));
  }

  start(): void {
    const { how, takesMs, items, method } = this.#run.work;
    if (how === 'throw') {
      this.#host.judge.over(this.#run);
      throw new Error('it was to throw');
    }
    if (how === 'hang' || items > 0) return;
    if (how === 'early') this.#host.judge.effects(this.#run);
    this.#later(takesMs, () => {
      if (method !== 'relay') return this.#finish();
      this.#inner = this.#host.relay(this.#context, () => this.#finish());
      if (this.#inner === null) this.#finish();
    });
  }

  #finish(): void {
    const { judge } = this.#host;
    const { how } = this.#run.work;
    if (this.#run.isOver) return;
    if (how !== 'refuse' && !this.#run.hasEffect) judge.effects(this.#run);
    judge.over(this.#run);
    if (how === 'fail') this.#on.end({ ok: false, failure: failure('SERVICE_FAILED', 'it was to fail') });
    else if (how === 'refuse') this.#on.end({ ok: false, failure: failure('SERVICE_REFUSED', 'it was to be refused') });
    else this.#on.end({ ok: true, value: { run: this.#run.number } });
  }

  cancel(): void {
    const { how } = this.#run.work;
    this.#inner?.cancel();
    if (how === 'stubborn' || this.#run.isOver) return;
    this.#host.judge.over(this.#run);
    this.#on.end({ ok: false, failure: failure('CANCELLED', 'nobody wants it any more') });
  }

  more(items: number): void {
    this.#run.wanted += items;
    this.#give();
  }

  #give(): void {
    const { judge } = this.#host;
    const { work } = this.#run;
    if (work.items === 0 || this.#isGiving || this.#run.isOver) return;
    if (this.#run.given < work.items) {
      if (this.#run.wanted <= this.#run.given) return;
      this.#isGiving = true;
      return this.#later(work.takesMs / work.items, () => {
        this.#isGiving = false;
        judge.gives(this.#run);
        this.#on.item({ run: this.#run.number, at: this.#run.given - 1 });
        this.#give();
      });
    }
    judge.effects(this.#run);
    judge.over(this.#run);
    this.#on.end({ ok: true, value: null });
  }
}

const invoke = (host: Host, input: unknown, context: CallContext, on: CallEvents): CallHandle => {
  const { judge, node, life } = host;
  const work = judge.works[Number((input as { work?: number } | null)?.work)];
  const dueMs = host.worldMs(context.deadlineMs);
  const run = judge.executes(work, { node, life, dueMs, caller: context.callerPeer });
  const nothing: CallHandle = { cancel() {}, more() {} };
  if (run === null) return nothing;
  if (host.isSick(context.service)) {
    judge.over(run);
    on.end({ ok: false, failure: failure('SERVICE_FAILED', `${node} is sick`) });
    return nothing;
  }
  const handler = new Handler(host, run, on, context);
  handler.start();
  return handler;
};

export const hostedBy = (host: Host, name: string): HostedService => {
  const hosted = methodNames.map((method): [string, HostedMethod] => [
    method,
    { ...methods[method], cost: 1, invoke: (input, context, on) => invoke(host, input, context, on) },
  ]);
  const offered = methodNames.map((method) => [method, { input: null, output: null, idempotent: methods[method].idempotent }]);
  return {
    offer: {
      ...{ kind: 'service', name, version: '1.0.0', methods: Object.fromEntries(offered) },
      ...{ resources: {}, capabilities: [], tags: [] },
    },
    methods: Object.fromEntries(hosted),
    bulkhead: bulkheadOf(name),
  };
};

/** What a call of this work carries. */
export const inputOf = ({ number }: { number: number }): ServiceCall['input'] => ({ work: number });
