import type { NodeInfo } from "../node-info.ts";
import type { Snapshot } from "./snapshot.ts";

/** Names an entry of a CycleState and carries the type of its value. */
export class StateKey<T> {
  readonly name: string;
  declare protected readonly value: T;

  constructor(name: string) {
    this.name = name;
  }
}

/** Values that plugins keep from one extension point to the next for one pod in one cycle. */
export class CycleState {
  /** The nodes of this cycle. */
  readonly snapshot: Snapshot;
  /** Plugins whose PreFilter or PreScore returned Skip. */
  readonly skipFilterPlugins = new Set<string>();
  readonly skipScorePlugins = new Set<string>();
  /** The nodes that Filter looks at: all of the cycle, unless a plugin has narrowed them. */
  nodes: readonly NodeInfo[];
  /** The plugin that has. */
  narrowedBy: string | undefined;
  readonly #values = new Map<StateKey<unknown>, unknown>();

  constructor(snapshot: Snapshot) {
    this.snapshot = snapshot;
    this.nodes = snapshot.nodes;
  }

  /** Leaves nodes of other names out of Filter: upstream's PreFilterResult. */
  narrow(plugin: string, names: Iterable<string>): void {
    this.nodes = [...names].flatMap((name) => this.snapshot.get(name) ?? []);
    this.narrowedBy = plugin;
  }

  write<T>(key: StateKey<T>, value: T): void {
    this.#values.set(key, value);
  }

  /** Returns the value that the plugin wrote earlier in this cycle; undefined if it wrote none. */
  read<T>(key: StateKey<T>): T | undefined {
    return this.#values.get(key) as T | undefined;
  }
}
