import { RuntimeError } from "../errors.ts";
import type { OciRuntime } from "./runtime.ts";

/** The OCI runtimes that pods can choose by a RuntimeClass, and those of pods that exist. */
export class OciHandlers {
  readonly default: OciRuntime;
  readonly #offered: ReadonlyMap<string, OciRuntime>;
  readonly #withheld: ReadonlyMap<string, OciRuntime>;

  /** `withheld` are of pods that were made when their runtimes were offered; no new pod's. */
  constructor(
    first: OciRuntime,
    others: readonly OciRuntime[] = [],
    withheld: readonly OciRuntime[] = [],
  ) {
    this.default = first;
    const byName = (all: readonly OciRuntime[]) => {
      return all.map((oci) => [oci.program.kind, oci] as const);
    };
    this.#offered = new Map([["", first], ...byName([first, ...others])]);
    this.#withheld = new Map(byName(withheld));
  }

  /** The names that a pod's RuntimeClass can have as its handler; empty for the default. */
  get names(): string[] {
    return [...this.#offered.keys()];
  }

  /** The runtime of a new pod. Throws invalid-argument for a name that is not offered. */
  choose(name: string): OciRuntime {
    const found = this.#offered.get(name);
    if (found) return found;
    const message = `no runtime for ${JSON.stringify(name)} is configured`;
    if (name !== "by-hand") throw new RuntimeError("invalid-argument", message);
    const remedy = "start the cluster with --by-hand: this runtime is for learning";
    throw new RuntimeError("invalid-argument", message, { remedy });
  }

  /**
   * The runtime of a sandbox's first process, whose namespaces containers join. A container of
   * runsc joins the network's alone, and has others of its own kernel.
   */
  ofSandbox(name: string): OciRuntime {
    const oci = this.releaserOf(name);
    return oci.program.kind === "runsc" ? this.default : oci;
  }

  /**
   * The runtime that releases what a pod had. Where the pod's is gone it is the default, which
   * knows nothing of it: pods can still be stopped.
   */
  releaserOf(name: string): OciRuntime {
    return this.#withheld.get(name) ?? this.#offered.get(name) ?? this.default;
  }

  /** The runtime of a pod that exists. Throws invalid-argument for a name that is not known. */
  of(name: string): OciRuntime {
    return this.#withheld.get(name) ?? this.choose(name);
  }
}
