import type { TypeProvider } from "@raft2kube/cel/library.ts";
import {
  BOOL,
  BYTES,
  DOUBLE,
  DYN,
  INT,
  listOf,
  mapOf,
  objectType,
  STRING,
  TIMESTAMP,
  type Type,
} from "@raft2kube/cel/types.ts";
import type { Kind } from "../../kind.ts";
import {
  type Scalar,
  type SchemaRef,
  type Shape,
  type Special,
  type Struct,
  structOf,
} from "../../schema.ts";
import { PROVIDER } from "./environment.ts";

const SCALARS: Readonly<Record<Scalar, Type>> = {
  string: STRING,
  bool: BOOL,
  int32: INT,
  int64: INT,
  double: DOUBLE,
  bytes: BYTES,
};

const SPECIALS: Readonly<Partial<Record<Special, Type>>> = {
  Time: TIMESTAMP,
  MicroTime: TIMESTAMP,
  Duration: STRING,
  Quantity: STRING,
};

/** The types of objects of kinds, from their schemas; of other names those of admission. */
export class SchemaTypes implements TypeProvider {
  readonly #structs = new Map<string, Struct>();
  readonly #names = new Map<Struct, string>();
  readonly #wholes = new Set<string>();

  /** The type of a kind's objects, which have apiVersion and kind besides their fields. */
  ofKind({ schema }: Kind): Type {
    const type = this.#ofStruct(structOf(schema));
    this.#wholes.add(type.name);
    return type;
  }

  /** The type of a part of objects, by the name of its schema. */
  of(schema: SchemaRef): Type {
    return this.#ofStruct(structOf(schema));
  }

  findType(name: string): Type | undefined {
    return this.#structs.has(name) ? objectType(name) : PROVIDER.findType(name);
  }

  findField(type: string, field: string): ReturnType<TypeProvider["findField"]> {
    const struct = this.#structs.get(type);
    if (struct === undefined) return PROVIDER.findField(type, field);
    const isHead = field === "apiVersion" || field === "kind";
    if (isHead && this.#wholes.has(type)) return { type: STRING };
    const found = struct.fields.get(field);
    return found && { type: this.#of(found.shape) };
  }

  #ofStruct(struct: Struct): Type {
    // Members that no field describes can be of any name.
    if (struct.rest !== undefined) return DYN;
    const known = this.#names.get(struct);
    const name = known ?? `${struct.name}.${this.#names.size}`;
    this.#names.set(struct, name);
    this.#structs.set(name, struct);
    return objectType(name);
  }

  #of(shape: Shape): Type {
    switch (shape.is) {
      case "scalar":
        return SCALARS[shape.scalar];
      case "special":
        return SPECIALS[shape.special] ?? DYN;
      case "list":
        return listOf(this.#of(shape.of));
      case "map":
        return mapOf(STRING, this.#of(shape.of));
      case "struct":
        return this.#ofStruct(structOf(shape.of));
      case "any":
        return DYN;
    }
  }
}
