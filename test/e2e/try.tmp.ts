import { withCluster } from './cluster.ts';
const t=performance.now();
await withCluster({nodes:3}, async (c)=>{ console.log('ready', performance.now()-t); const l=await c.settled(); console.log(l.name);
 const k=performance.now(); await l.kill9(); console.log((await c.settled()).name, performance.now()-k); const r=await l.start(); console.log(r); console.log((await c.settled()).name, await c.converged()); console.log(await l.term()); });
