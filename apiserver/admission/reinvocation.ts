/** The hooks or policies of one plugin that were called, and those that are called again. */
class Callers {
  /** Uids of callers since the last change, which the next change calls again. */
  readonly #called = new Set<string>();
  readonly #again = new Set<string>();
  #output: string | undefined;

  /** Notes a caller that is to be called again if the object changes after it. */
  called(uid: string): void {
    this.#called.add(uid);
  }

  /** The object has changed: all that were called before are called again. */
  changed(): void {
    for (const uid of this.#called) this.#again.add(uid);
    this.#called.clear();
  }

  isCalledAgain(uid: string): boolean {
    return this.#again.has(uid);
  }

  /** Notes the object at the end of the plugin's first pass. */
  ended(object: unknown): void {
    if (this.#called.size > 0) this.#output = JSON.stringify(object);
  }

  /** Plugins that run again may have changed the object since. */
  resumed(object: unknown): void {
    if (this.#output !== undefined && this.#output !== JSON.stringify(object)) this.changed();
  }
}

/**
 * The record of the two passes that plugins which change an object may need (upstream's
 * reinvocation context): a change by a webhook or a policy requests a second one, in which built-in
 * plugins run again, and those webhooks and policies that want to see later changes.
 */
export class Reinvocation {
  isRequested = false;
  /** Whether this is the second pass. */
  isSecond = false;
  readonly #callers = new Map<string, Callers>();

  of(plugin: string): Callers {
    const callers = this.#callers.get(plugin) ?? new Callers();
    this.#callers.set(plugin, callers);
    return callers;
  }
}
