import { RuntimeError } from "../errors.ts";
import type { OciRuntime } from "./runtime.ts";

/** The OCI runtimes that pods can choose by a RuntimeClass; the first is the default. */
export class OciHandlers {
  readonly default: OciRuntime;
  readonly #byName: ReadonlyMap<string, OciRuntime>;

  constructor(first: OciRuntime, ...others: readonly OciRuntime[]) {
    this.default = first;
    const all = [first, ...others];
    this.#byName = new Map([["", first], ...all.map((oci) => [oci.program.kind, oci] as const)]);
  }

  /** The names that a pod's RuntimeClass can have as its handler; empty for the default. */
  get names(): string[] {
    return [...this.#byName.keys()];
  }

  /** Throws invalid-argument for a name that is not configured. */
  of(name: string): OciRuntime {
    const found = this.#byName.get(name);
    if (found) return found;
    const message = `no runtime for ${JSON.stringify(name)} is configured`;
    throw new RuntimeError("invalid-argument", message);
  }
}
