/** Structures of the facts as JSON Schemas, in the dialect of either version of OpenAPI. */
import type { Kind } from "@raft2kube/api/kind.ts";
import { KINDS } from "@raft2kube/api/kinds.ts";
import {
  type Field,
  type Scalar,
  type Shape,
  type Special,
  structOf,
} from "@raft2kube/api/schema.ts";
import { Descriptions } from "./descriptions.ts";
import { definitionName, SPECIAL_NAMES } from "./names.ts";

export type Dialect = "v2" | "v3";
export type Json = { [key: string]: unknown };

const PREFIXES: Readonly<Record<Dialect, string>> = {
  v2: "#/definitions/",
  v3: "#/components/schemas/",
};

const SCALARS: Readonly<Record<Scalar, Json>> = {
  string: { type: "string" },
  bool: { type: "boolean" },
  int32: { type: "integer", format: "int32" },
  int64: { type: "integer", format: "int64" },
  double: { type: "number", format: "double" },
  bytes: { type: "string", format: "byte" },
};

const SPECIALS: Readonly<Record<Special, Json>> = {
  Time: { type: "string", format: "date-time" },
  MicroTime: { type: "string", format: "date-time" },
  Duration: { type: "string" },
  Quantity: { type: "string" },
  IntOrString: { type: "string", format: "int-or-string" },
  RawExtension: { type: "object" },
  FieldsV1: { type: "object" },
  JSON: {},
  SchemaOrArray: {},
  SchemaOrBool: {},
  SchemaOrStrings: {},
};

/** Special types in version 3, where a value may be of one of several types. */
const SPECIALS_V3: Partial<Record<Special, Json>> = {
  Quantity: { oneOf: [{ type: "string" }, { type: "number" }] },
  IntOrString: { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] },
};

/** Collects the definitions that a document needs, each with all that it refers to. */
export class Definitions {
  readonly dialect: Dialect;
  readonly #found = new Map<string, Json>();
  readonly #descriptions = new Descriptions();
  /** The names of custom resources' definitions, by their structures' names. */
  readonly #custom = new Map<string, string>();

  constructor(dialect: Dialect) {
    this.dialect = dialect;
  }

  /** Adds the definitions of a custom resource; returns them. */
  add(kind: Kind): Json {
    const { name, listName, schemas } = kind.definitions!(this.dialect);
    const { name: schema } = structOf(kind.schema);
    this.#custom.set(schema, name).set(`${schema}List`, listName);
    for (const [each, json] of Object.entries(schemas)) this.#found.set(each, json);
    for (const meta of ["meta/v1.ObjectMeta", "meta/v1.ListMeta"]) this.reference(meta);
    return schemas;
  }

  /** A reference to a structure, which becomes part of the document. */
  reference(schema: string): Json {
    const name = this.#custom.get(schema) ?? definitionName(schema);
    if (!this.#found.has(name)) {
      this.#found.set(name, {});
      this.#found.set(name, this.#structure(schema));
    }
    return { $ref: PREFIXES[this.dialect] + name };
  }

  /** All definitions by name, sorted. */
  all(): Json {
    return Object.fromEntries([...this.#found].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #special(special: Special): Json {
    const name = SPECIAL_NAMES[special];
    if (!this.#found.has(name)) {
      const v3 = this.dialect === "v3" ? SPECIALS_V3[special] : undefined;
      const text = this.#descriptions.ofStructure(`meta/v1.${special}`);
      this.#found.set(name, { ...described(text), ...(v3 ?? SPECIALS[special]) });
    }
    return { $ref: PREFIXES[this.dialect] + name };
  }

  #shape(shape: Shape): Json {
    switch (shape.is) {
      case "scalar": {
        const values = shape.values?.filter((each) => each !== "");
        return values === undefined
          ? SCALARS[shape.scalar]
          : { ...SCALARS[shape.scalar], enum: values };
      }
      case "special":
        return this.#special(shape.special);
      case "list":
        return { type: "array", items: this.#shape(shape.of) };
      case "map":
        return { type: "object", additionalProperties: this.#shape(shape.of) };
      case "struct":
        return this.reference(structOf(shape.of).name);
      case "any":
        return {};
    }
  }

  #property(struct: string, field: Field): Json {
    const shape = this.#shape(field.shape);
    const text = this.#descriptions.ofField(struct, field.fact.name, field.within);
    const extras: Json = { ...described(text), ...rules(field) };
    if (field.fact.default !== undefined) extras.default = field.fact.default;
    if (Object.keys(extras).length === 0) return shape;
    if ("$ref" in shape && this.dialect === "v3") return { allOf: [shape], ...extras };
    return { ...shape, ...extras };
  }

  #structure(schema: string): Json {
    const struct = structOf(schema);
    const properties: Json = {};
    if (struct.typeMeta) {
      for (const name of ["apiVersion", "kind"]) {
        properties[name] = {
          type: "string",
          ...described(this.#descriptions.ofField("meta/v1.TypeMeta", name)),
        };
      }
    }
    for (const [name, field] of struct.fields) properties[name] = this.#property(schema, field);
    const required = [...struct.fields]
      .filter(([, field]) => field.fact.required === true)
      .map(([name]) => name);
    const kinds = kindsOf(schema);
    return {
      ...described(this.#descriptions.ofStructure(schema)),
      type: "object",
      ...(Object.keys(properties).length === 0 ? {} : { properties }),
      ...(required.length === 0 ? {} : { required }),
      ...(kinds.length === 0 ? {} : { "x-kubernetes-group-version-kind": kinds }),
      ...(struct.atomic ? { "x-kubernetes-map-type": "atomic" } : {}),
    };
  }
}

function described(description: string | undefined): Json {
  return description === undefined ? {} : { description };
}

/** How lists, maps and structures are merged. */
const rules = ({ fact }: Field): Json => ({
  ...(fact.list === undefined ? {} : { "x-kubernetes-list-type": fact.list }),
  ...(fact.listKeys === undefined ? {} : { "x-kubernetes-list-map-keys": fact.listKeys }),
  ...(fact.map === undefined ? {} : { "x-kubernetes-map-type": fact.map }),
  ...(fact.patch === undefined ? {} : { "x-kubernetes-patch-strategy": fact.patch }),
  ...(fact.mergeKey === undefined ? {} : { "x-kubernetes-patch-merge-key": fact.mergeKey }),
});

type TypeOfKind = { readonly group: string; readonly kind: string; readonly version: string };

let typesBySchema: Map<string, TypeOfKind[]> | undefined;

/** The kinds that a structure is: its own, that of its list, or a subresource's body. */
function kindsOf(schema: string): readonly TypeOfKind[] {
  typesBySchema ??= new Map(
    KINDS.flatMap(({ group, version, kind, schema: name }) => {
      const list = `${kind}List`;
      const entries: [string, TypeOfKind[]][] = [
        [name, [{ group, kind, version }]],
        [`${name}List`, [{ group, kind: list, version }]],
      ];
      return entries;
    }),
  );
  const [from = "", local = ""] = [
    schema.slice(0, schema.indexOf(".")),
    schema.slice(schema.indexOf(".") + 1),
  ];
  const own = OTHER_KINDS.get(schema);
  if (own !== undefined) return [{ ...own, kind: local }];
  return typesBySchema.get(`${from}.${local}`) ?? [];
}

/** Bodies that are no resources of their own. */
const OTHER_KINDS = new Map<string, { group: string; version: string }>([
  ["autoscaling/v1.Scale", { group: "autoscaling", version: "v1" }],
  ["policy/v1.Eviction", { group: "policy", version: "v1" }],
  ["authentication/v1.TokenRequest", { group: "authentication.k8s.io", version: "v1" }],
  ["meta/v1.Status", { group: "", version: "v1" }],
  ["meta/v1.DeleteOptions", { group: "", version: "v1" }],
]);
