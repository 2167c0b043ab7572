/** One change as the store itself has it in its history. */
export interface Change {
  readonly revision: number;
  readonly name: string;
  readonly type: "put" | "delete";
}

/** A client's observations and writes, in its own order. */
export type Observation =
  /** A list without a resourceVersion, started after everything before it had ended. */
  | {
      readonly saw: "list";
      readonly revision: number;
      readonly objects: ReadonlyMap<string, number>;
    }
  | {
      readonly saw: "event";
      readonly type: "ADDED" | "MODIFIED" | "DELETED";
      readonly name: string;
      readonly revision: number;
    }
  | { readonly saw: "bookmark"; readonly revision: number }
  /** The server acknowledged a write of this client. */
  | { readonly saw: "wrote"; readonly revision: number };

/**
 * Checks a client's history: every list shows the store's state at its revision, no list is older
 * than a revision the client knew, and a watch reports every later change once, in order, with its
 * type. Returns the first contradiction in words, else undefined.
 */
export function contradictionIn(
  truth: readonly Change[],
  history: readonly Observation[],
): string | undefined {
  const client = new Client(truth);
  for (const [index, observation] of history.entries()) {
    const wrong = client.take(observation);
    if (wrong !== undefined) return `${index}: ${wrong}`;
  }
  return undefined;
}

/** Follows one client through the store's history. */
class Client {
  readonly #truth: readonly Change[];
  /** All changes up to here are known to the client's copy. */
  #position = 0;
  /** The newest revision that the client knows of, by its own writes too. */
  #known = 0;
  #copy = new Map<string, number>();

  constructor(truth: readonly Change[]) {
    this.#truth = truth;
  }

  take(observation: Observation): string | undefined {
    switch (observation.saw) {
      case "wrote":
        this.#known = Math.max(this.#known, observation.revision);
        return undefined;
      case "list":
        return this.#list(observation.revision, observation.objects);
      case "bookmark":
        return this.#bookmark(observation.revision);
      case "event":
        return this.#event(observation);
    }
  }

  #list(revision: number, objects: ReadonlyMap<string, number>): string | undefined {
    if (revision < this.#known) return `a list at ${revision}, behind ${this.#known}`;
    const then = stateAt(this.#truth, revision);
    for (const [name, version] of then) {
      if (objects.get(name) !== version) {
        return `a list at ${revision} shows ${name} at ${objects.get(name)}, not ${version}`;
      }
    }
    for (const name of objects.keys()) {
      if (!then.has(name)) return `a list at ${revision} shows ${name}, which was not there`;
    }
    this.#copy = new Map(objects);
    this.#moveTo(revision);
    return undefined;
  }

  #bookmark(revision: number): string | undefined {
    if (revision < this.#position) return `a bookmark at ${revision}, behind ${this.#position}`;
    const missed = this.#truth.find((each) => this.#isNew(each) && each.revision <= revision);
    if (missed) return `a bookmark at ${revision}, before ${missed.name} at ${missed.revision}`;
    this.#moveTo(revision);
    return undefined;
  }

  #event(event: Extract<Observation, { saw: "event" }>): string | undefined {
    const { revision, name, type } = event;
    const said = `${type} ${name} ${revision}`;
    const next = this.#truth.find((change) => this.#isNew(change));
    if (next === undefined) return `${said}: nothing happened behind ${this.#position}`;
    if (next.revision !== revision || next.name !== name) {
      return `${said}: next came ${next.type} ${next.name} ${next.revision}`;
    }
    const put = this.#copy.has(name) ? "MODIFIED" : "ADDED";
    const right = next.type === "delete" ? "DELETED" : put;
    if (type !== right) return `${said}: it was ${right}`;
    if (type === "DELETED") this.#copy.delete(name);
    else this.#copy.set(name, revision);
    this.#moveTo(revision);
    return undefined;
  }

  #isNew({ revision }: Change): boolean {
    return revision > this.#position;
  }

  #moveTo(revision: number): void {
    this.#position = revision;
    this.#known = Math.max(this.#known, revision);
  }
}

/** The objects and their versions as of a revision. */
function stateAt(truth: readonly Change[], revision: number): Map<string, number> {
  const state = new Map<string, number>();
  for (const change of truth) {
    if (change.revision > revision) break;
    if (change.type === "put") state.set(change.name, change.revision);
    else state.delete(change.name);
  }
  return state;
}
