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

/** The names and functions of libraries; a later one adds to those before. */
export class LibraryDeclarations {
  readonly names = new Map<string, Name>();
  readonly functions = new Map<string, FunctionDeclaration>();

  constructor(libraries: readonly Library[]) {
    for (const library of libraries) this.#add(library);
  }

  #add({ types = [], constants = {}, functions = [] }: Library): void {
    for (const type of types) {
      this.names.set(type.name, { name: type.name, type: typeOf(type), value: type });
    }
    for (const [name, each] of Object.entries(constants)) this.names.set(name, { name, ...each });
    for (const { name, overloads } of functions) {
      const known = this.functions.get(name)?.overloads ?? [];
      this.functions.set(name, { name, overloads: merged(known, overloads) });
    }
  }
}

export class Declarations {
  readonly container: string;
  readonly provider: TypeProvider | undefined;
  readonly #variables: ReadonlyMap<string, Type>;
  readonly #libraries: LibraryDeclarations;

  constructor(
    container: string,
    variables: ReadonlyMap<string, Type>,
    libraries: LibraryDeclarations,
    provider: TypeProvider | undefined,
  ) {
    this.container = container;
    this.provider = provider;
    this.#variables = variables;
    this.#libraries = libraries;
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
      const variable = locals.get(each) ?? this.#variables.get(each);
      if (variable !== undefined) return { name: each, type: variable };
      const known = this.#libraries.names.get(each);
      if (known !== undefined) return known;
      const type = this.provider?.findType(each);
      if (type !== undefined) return { name: each, type: typeOf(type), value: type };
    }
    return undefined;
  }

  findFunction(name: string): FunctionDeclaration | undefined {
    for (const each of this.#candidates(name)) {
      const known = this.#libraries.functions.get(each);
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
