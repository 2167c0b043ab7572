/** The type of an expression, as far as it can be inferred. */
export type CelType =
  | "bool" | "int" | "uint" | "double" | "string" | "bytes" | "null" | "list" | "map"
  | "duration" | "timestamp" | "type" | "dyn" | CelFields;

/** An object whose fields are all known; another one is an error. */
export interface CelFields {
  readonly fields: Readonly<Record<string, CelType>>;
}

/** Variables by name. */
export type CelScope = Readonly<Record<string, CelType>>;
