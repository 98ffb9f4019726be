// A process that only announces one member in etcd, to be killed by a test: `node etcd-announcer.ts URL NUMBER`.
import { etcdWithin } from '../../../src/discovery/etcd.ts';
import { etcdTiming } from './fake-etcd.ts';
import { member, Run } from './source-run.ts';

const [url, number] = process.argv.slice(2);
const run = await Run.open(etcdWithin(etcdTiming), url!);
run.announce(member(Number(number)));
