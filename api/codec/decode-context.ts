import { UNKNOWN_FIELD_CHARACTERS_MAX, UNKNOWN_FIELDS_MAX } from "../limits.ts";
import { DecodeError } from "./decode-error.ts";

/** Where the decoder stands: in the document, and in Go's structures for its messages. */
export class DecodeContext {
  readonly path: string[] = [];
  readonly unknownFields: string[] = [];
  struct = "";
  /** The Go type of the texts at this place, when they have one of their own. */
  named: string | undefined;
  readonly goPath: string[] = [];

  reportUnknown(name: string): void {
    if (this.unknownFields.length >= UNKNOWN_FIELDS_MAX) return;
    const path = [...this.path, `.${name}`].join("").replace(/^\./, "");
    this.unknownFields.push(path.slice(0, UNKNOWN_FIELD_CHARACTERS_MAX));
  }

  /** The error that Go's decoder gives for a value of the wrong type. */
  mismatch(value: unknown, goType: string): DecodeError {
    const field =
      this.goPath.length === 0
        ? "Go value"
        : `Go struct field ${this.struct}.${this.goPath.join(".")}`;
    const what = goWord(value, goType);
    const message = `json: cannot unmarshal ${what} into ${field} of type ${goType}`;
    return new DecodeError(message);
  }
}

function goWord(value: unknown, goType: string): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number" || typeof value === "bigint") {
    // One that is not whole, or too large for its place, is shown.
    return goType.startsWith("int") ? `number ${value}` : "number";
  }
  return typeof value;
}
