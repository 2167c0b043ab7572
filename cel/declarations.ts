/** The names of an environment: variables, types, constants, functions. */
import type {
  FieldDeclaration,
  FunctionDeclaration,
  Library,
  Overload,
  TypeProvider,
} from "./library.ts";
import { type Type, typeOf } from "./types.ts";
import type { Value } from "./value.ts";

/** A variable, or the name of a constant or type, which has its value. */
export type Name = { readonly name: string; readonly type: Type; readonly value?: Value };

export class Declarations {
  readonly container: string;
  readonly provider: TypeProvider | undefined;
  readonly #names = new Map<string, Name>();
  readonly #functions = new Map<string, FunctionDeclaration>();

  constructor(
    container: string,
    variables: ReadonlyMap<string, Type>,
    libraries: readonly Library[],
    provider: TypeProvider | undefined,
  ) {
    this.container = container;
    this.provider = provider;
    for (const library of libraries) this.#add(library);
    for (const [name, type] of variables) this.#names.set(name, { name, type });
  }

  #add({ types = [], constants = {}, functions = [] }: Library): void {
    for (const type of types) {
      this.#names.set(type.name, { name: type.name, type: typeOf(type), value: type });
    }
    for (const [name, each] of Object.entries(constants)) this.#names.set(name, { name, ...each });
    for (const { name, overloads } of functions) {
      const known = this.#functions.get(name)?.overloads ?? [];
      this.#functions.set(name, { name, overloads: merged(known, overloads) });
    }
  }

  /** The full names that a name may stand for in the container, innermost first. */
  #candidates(name: string): string[] {
    if (name.startsWith(".")) return [name.slice(1)];
    const parts = this.container === "" ? [] : this.container.split(".");
    const outer = parts.map((_, index) => parts.slice(0, parts.length - index).join("."));
    return [...outer.map((each) => `${each}.${name}`), name];
  }

  findName(name: string, locals: ReadonlyMap<string, Type>): Name | undefined {
    for (const each of this.#candidates(name)) {
      const local = locals.get(each);
      if (local !== undefined) return { name: each, type: local };
      const known = this.#names.get(each);
      if (known !== undefined) return known;
      const type = this.provider?.findType(each);
      if (type !== undefined) return { name: each, type: typeOf(type), value: type };
    }
    return undefined;
  }

  findFunction(name: string): FunctionDeclaration | undefined {
    for (const each of this.#candidates(name)) {
      const known = this.#functions.get(each);
      if (known !== undefined) return known;
    }
    return undefined;
  }

  findField(type: string, field: string): FieldDeclaration | undefined {
    return this.provider?.findField(type, field);
  }
}

/** Overloads of one function of two libraries; a later one replaces that of its id. */
function merged(known: readonly Overload[], more: readonly Overload[]): readonly Overload[] {
  const ids = new Set(more.map(({ id }) => id));
  return [...known.filter(({ id }) => !ids.has(id)), ...more];
}
