import type { HeaderField } from "@raft2kube/h2/hpack/static-table.ts";

/** Fields that belong to gRPC or HTTP, not to the caller. */
const RESERVED = /^(?:grpc-|content-type$|content-length$|te$)/;

/** The metadata of a call: header fields, several of one name in their order. */
export class CallMetadata {
  readonly #values = new Map<string, (string | Buffer)[]>();

  constructor(fields: readonly HeaderField[]) {
    for (const [name, value] of fields) {
      if (RESERVED.test(name)) continue;
      const values = this.#values.get(name) ?? [];
      this.#values.set(name, values);
      if (!name.endsWith("-bin")) values.push(value);
      // Several binary values may come as one field, with commas between them.
      else for (const part of value.split(",")) values.push(Buffer.from(part, "base64"));
    }
  }

  /** All values of a name, given in lower case; those of `-bin` names are bytes. */
  get(name: string): readonly (string | Buffer)[] {
    return this.#values.get(name) ?? [];
  }
}
