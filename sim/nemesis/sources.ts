// Faults of discovery's sources: they answer as they should not, nobody reaches them, and they forget whom they knew. In a world
// without sources they do nothing.
import type { SourceIlls } from '../source.ts';
import { type Blow, namesOf, type Scene, type Strike } from './scene.ts';

const somewhere = ({ sources }: Scene): readonly string[] => (sources === null ? [] : [...sources.all.keys()]);

const ills = ['fails', 'hangs', 'empty', 'stale', 'wrong'] as const satisfies readonly (keyof SourceIlls)[];

export const sourceFaults = {
  'ill-source'(scene, chance) {
    const names = somewhere(scene);
    if (names.length === 0) return null;
    const source = scene.sources!.get(chance.pick(names));
    const ill = chance.pick(ills);
    const share = chance.pick([0.2, 0.5, 1]);
    const undo = scene.strains.press(`${source.traits.name} ${ill}`, share, (strongest) => {
      source.ills = { ...source.ills, [ill]: strongest };
    });
    return { where: `${source.traits.name} ${ill} ${share}`, undo } satisfies Blow;
  },
  /** Some hosts, or all of them, cannot reach a source. */
  'cut-source'(scene, chance) {
    const names = somewhere(scene);
    if (names.length === 0) return null;
    const source = scene.sources!.get(chance.pick(names));
    const cut = chance.shuffled(scene.nodes).slice(0, chance.between(1, scene.nodes.length + 1));
    const undos = cut.map(({ name }) =>
      scene.strains.press(`${source.traits.name} ${name}`, 1, (strongest) => {
        if (strongest > 0) source.cutOff.add(name);
        else source.cutOff.delete(name);
      }),
    );
    const undo = (): void => {
      for (const mend of undos) mend();
    };
    return { where: `${source.traits.name} | ${namesOf(cut)}`, undo } satisfies Blow;
  },
  /** It was restarted without what it kept; hosts register again when they renew. */
  'forgetful-source'(scene, chance) {
    const names = somewhere(scene);
    if (names.length === 0) return null;
    const source = scene.sources!.get(chance.pick(names));
    source.forget();
    return { where: source.traits.name, undo: null } satisfies Blow;
  },
} as const satisfies Record<string, Strike>;
