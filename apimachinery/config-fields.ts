import { CodedError } from "@raft2kube/std/errors.ts";

/** A configuration file is invalid; `message` names the field and the reason. */
export class ConfigFileError extends CodedError {
  override readonly name = "ConfigFileError";

  constructor(kind: string, field: string, problem: string) {
    super("CONFIG_FILE", `${kind}: ${field}: ${problem}`);
  }
}

/** The fields of an object in a configuration file. */
export type Fields = Readonly<Record<string, unknown>>;

/** Reads the values of one kind of configuration file; throws ConfigFileError, naming the field. */
export class ConfigFields {
  readonly kind: string;

  constructor(kind: string) {
    this.kind = kind;
  }

  refuse(field: string, problem: string): never {
    throw new ConfigFileError(this.kind, field, problem);
  }

  /** The whole file, of this kind in one of the versions, with these fields and no others. */
  whole(value: unknown, versions: readonly string[], known: readonly string[]): Fields {
    const fields = this.object("", value);
    const { kind, apiVersion } = fields;
    if (kind !== this.kind || !versions.some((each) => each === apiVersion)) {
      const given = `${JSON.stringify(kind)} of ${JSON.stringify(apiVersion)}`;
      this.refuse("kind", `must be ${this.kind} of ${versions.join(" or ")}, not ${given}`);
    }
    this.onlyKnown("", fields, ["kind", "apiVersion", ...known]);
    return fields;
  }

  object(at: string, value: unknown): Fields {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Fields;
    }
    return this.refuse(at, "must be an object");
  }

  /** A list with something in it. */
  list(at: string, value: unknown): unknown[] {
    if (Array.isArray(value) && value.length > 0) return value;
    return this.refuse(at, "must be a list that is not empty");
  }

  text(at: string, value: unknown): string {
    if (typeof value === "string" && value !== "") return value;
    return this.refuse(at, "must be a text that is not empty");
  }

  onlyKnown(at: string, fields: Fields, known: readonly string[]): void {
    const unknown = Object.keys(fields).find((name) => !known.includes(name));
    if (unknown === undefined) return;
    this.refuse(at === "" ? unknown : `${at}.${unknown}`, "is not a field of it");
  }
}
