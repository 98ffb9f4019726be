// How the report looks, in light and dark. One file without anything from elsewhere: it is read on trains and attached to issues.
export const style = `
:root { color-scheme: light dark; --ink: #1c2430; --soft: #64708a; --faint: #dfe4ec; --paper: #f6f7fa; --card: #fff; --edge: #e3e7ee;
  --leader: #3f63dd; --leader-ink: #fff; --candidate: #f0b429; --asking: #f8dd97; --follower: #d5deeb; --follower-ink: #4c5a72;
  --life: #edf0f5; --good: #2c9c6a; --bad: #d43d51; --unsure: #e08a1e; --dull: #9aa5b8; --net: #8a5cd6; --disk: #d9822b;
  --clock: #1795a5; --members: #3d9650; --process: #cf4a6c; --shade: 0 1px 2px #1c243014, 0 6px 20px #1c24300d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e5e9f1; --soft: #97a3ba; --faint: #2a3242; --paper: #11151c; --card: #181e28;
  --edge: #262e3c; --leader: #6d8cff; --leader-ink: #0b1020; --candidate: #e8b23c; --asking: #7d6a35; --follower: #313c50;
  --follower-ink: #aab6cc; --life: #1f2734; --good: #46b983; --bad: #ff6b7d; --unsure: #f0a24a; --dull: #5d6a80; --net: #b08cf5;
  --disk: #e69a4c; --clock: #3fbccb; --members: #66bd78; --process: #ef7896; --shade: none; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.55 system-ui, sans-serif; }
main { max-width: 1400px; margin: 0 auto; padding: 32px 28px 64px; }
code, pre, .mono, svg text { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
h1 { font-size: 26px; line-height: 1.25; margin: 10px 0 4px; letter-spacing: -0.01em; text-wrap: balance; }
h2 { font-size: 17px; margin: 0; letter-spacing: -0.005em; }
section { background: var(--card); border: 1px solid var(--edge); border-radius: 12px; box-shadow: var(--shade); margin-top: 20px;
  overflow: hidden; }
section > header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 14px; padding: 16px 20px 12px; }
section > header p { margin: 0; color: var(--soft); font-size: 13px; flex: 1; min-width: 240px; }
section > .body { padding: 0 20px 18px; }
.badge { display: inline-block; font: 600 12px/1 system-ui, sans-serif; letter-spacing: 0.06em; text-transform: uppercase; color: #fff;
  background: var(--bad); padding: 6px 10px; border-radius: 99px; }
.badge.held { background: var(--good); } .badge.liveness { background: var(--unsure); }
.seed { color: var(--soft); margin-left: 10px; font-size: 13px; }
.reason { margin: 18px 0 0; padding: 14px 18px; background: var(--card); border: 1px solid var(--edge); border-left: 4px solid var(--bad);
  border-radius: 8px; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13px; line-height: 1.5; max-height: 420px; overflow: auto; }
.command { display: flex; align-items: center; gap: 10px; margin-top: 12px; background: var(--card); border: 1px solid var(--edge);
  border-radius: 8px; padding: 8px 8px 8px 16px; }
.command code { flex: 1; font-size: 13px; overflow-wrap: anywhere; } .command code::before { content: '$ '; color: var(--dull); }
button { font: 500 13px/1 system-ui, sans-serif; color: var(--ink); background: var(--paper); border: 1px solid var(--edge);
  border-radius: 7px; padding: 7px 11px; cursor: pointer; } button:hover { border-color: var(--dull); }
button:focus-visible { outline: 2px solid var(--leader); outline-offset: 1px; }
.tools { display: flex; gap: 6px; align-items: center; } .tools label { color: var(--soft); font-size: 13px; margin-right: 8px; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 10px 22px; margin: 0; }
.facts div { border-top: 1px solid var(--edge); padding-top: 7px; } .facts .wide { grid-column: 1 / -1; }
dt { color: var(--soft); font-size: 12px; } dd { margin: 1px 0 0; font-size: 13.5px; overflow-wrap: anywhere; }
.timeline { display: grid; grid-template-columns: 128px 1fr; border-top: 1px solid var(--edge); }
.labels { border-right: 1px solid var(--edge); color: var(--soft); font-size: 12.5px; padding-left: 20px; }
.labels div { overflow: hidden; white-space: nowrap; padding-top: 4px; }
.scroll { overflow: auto; overscroll-behavior-x: contain; } .scroll.tall { max-height: 78vh; border-top: 1px solid var(--edge); }
svg { display: block; } .drawing { width: calc(100% * var(--zoom, 1)); }
svg text { font-size: 11px; fill: var(--ink); } text.time { fill: var(--soft); font-size: 10.5px; } .tick { stroke: var(--faint); }
.sequence text.time { text-anchor: end; } .drawing .time { transform: translateX(4px); }
.z1, .z2 { display: none; } .zoom1 .z1, .zoom2 .z1, .zoom2 .z2 { display: inline; }
.life > rect { fill: var(--life); } .role rect { fill: var(--follower); } .role text { fill: var(--follower-ink); }
.leader rect { fill: var(--leader); } .leader text { fill: var(--leader-ink); font-weight: 600; }
.candidate rect { fill: var(--candidate); } .candidate text { fill: #3d2c00; } .pre-candidate rect { fill: var(--asking); }
.net { --c: var(--net); } .disk { --c: var(--disk); } .clock { --c: var(--clock); } .members { --c: var(--members); }
.process { --c: var(--process); }
.hurt { fill: var(--c); } .fault .bar { fill: var(--c); opacity: 0.32; stroke: var(--c); stroke-width: 1.5; } .fault:hover .bar { opacity: 0.7; }
.call { fill: var(--good); stroke: var(--good); opacity: 0.75; } .call.fail { fill: var(--dull); stroke: var(--dull); }
.call.info, .call.open { fill: var(--unsure); stroke: var(--unsure); stroke-dasharray: 3 2; fill-opacity: 0.4; }
.call.failing { fill: var(--bad); stroke: var(--bad); stroke-width: 3; opacity: 1; } .call:hover { opacity: 1; }
.focus { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 5 4; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 18px; padding: 10px 20px; border-top: 1px solid var(--edge); color: var(--soft);
  font-size: 12.5px; } .legend i { display: inline-block; width: 14px; height: 10px; border-radius: 3px; margin-right: 6px; background: var(--c); }
.part { display: grid; grid-template-columns: minmax(220px, max-content) 1fr; border-top: 1px solid var(--edge); }
.part .labels { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; color: var(--ink); padding-right: 16px; }
.part .call { opacity: 1; stroke-width: 1; } .explanation { margin: 0; padding: 14px 20px; border-top: 1px solid var(--edge);
  overflow: auto; font-size: 12.5px; line-height: 1.5; }
.heads { position: sticky; top: 0; z-index: 1; background: var(--card); border-bottom: 1px solid var(--edge); min-width: 100%; }
.sequence .head { text-anchor: middle; font-size: 13px; font-weight: 600; }
line.life { stroke: var(--follower); stroke-width: 4; } line.life.leader { stroke: var(--leader); } line.life.candidate { stroke: var(--candidate); }
line.life.pre-candidate { stroke: var(--asking); } line.life.down { stroke: var(--faint); stroke-width: 1; stroke-dasharray: 2 4; }
line.life.up { stroke: var(--faint); }
.message { --m: var(--soft); } .message.append { --m: var(--leader); } .message.election { --m: var(--unsure); }
.message.other { --m: var(--members); } .message.lost { --m: var(--bad); } .message.routine { --m: var(--dull); }
.message line { stroke: var(--m); stroke-width: 1.4; } .message circle, .message path { fill: var(--m); }
.message line.grip { stroke: transparent; stroke-width: 11; } .message.lost line:not(.grip), .message.open line:not(.grip) { stroke-dasharray: 5 4; }
.message text, .moment text { paint-order: stroke; stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; fill: var(--m); }
.message:hover line:not(.grip) { stroke-width: 3; } .message:hover text { font-weight: 700; }
.hide-routine .routine { display: none; } .message text.cross, text.cross { fill: var(--bad); font-size: 14px; text-anchor: middle; }
.moment text { fill: var(--ink); } .moment circle { fill: var(--dull); } .moment.role circle { fill: var(--leader); }
.moment.role text { font-weight: 600; } .moment.end text { fill: var(--bad); }
#tip { position: fixed; z-index: 9; max-width: 460px; pointer-events: none; background: var(--ink); color: var(--paper); border-radius: 7px;
  padding: 7px 11px; font: 12px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.quiet { color: var(--soft); padding: 0 20px 16px; margin: 0; }
footer { margin-top: 24px; color: var(--soft); font-size: 12.5px; } footer code { font-size: 12px; }
@media (max-width: 640px) { main { padding: 18px 12px 40px; } .timeline { grid-template-columns: 76px 1fr; } .labels { padding-left: 10px; } }
@media print { section { break-inside: avoid; box-shadow: none; } .tools, button { display: none; } .scroll { max-height: none; } }
`;
