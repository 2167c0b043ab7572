import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import { decodeObject, encodeObject, readEnvelope } from "@raft2kube/api/codec/envelope.ts";
import { decodeJson } from "@raft2kube/api/codec/json.ts";
import type { Target } from "../target.ts";

/** Objects as upstream encodes them: `core.v1.Pod.pb`. */
const DIR = join(import.meta.dirname, "../../../api/codec/testdata");
const NAMES = readdirSync(DIR)
  .filter((name) => name.endsWith(".pb"))
  .sort();

/** `core.v1.Pod.pb` is of the schema `core/v1.Pod`; options are the same in every group. */
const schemaOf = (file: string) => {
  if (file.endsWith("Options.pb")) return file.replace(/^.*\.(v\d.*)\.pb$/, "meta/$1");
  const [group = "", ...rest] = file.replace(/\.pb$/, "").split(/\.(?=v\d)/);
  return `${group.split(".")[0]}/${rest.join(".")}`;
};

/** An input is one byte that chooses the kind, and an object in protobuf with its envelope. */
export const kubernetesObject: Target = {
  name: "kubernetes-object",
  corpus: async () =>
    NAMES.map((name, index) => {
      return Buffer.concat([Buffer.from([index]), readFileSync(join(DIR, name))]);
    }),
  async read(bytes) {
    const schema = schemaOf(NAMES[(bytes[0] ?? 0) % NAMES.length]!);
    try {
      const object = decodeObject<object>(schema, readEnvelope(bytes.subarray(1)));
      const sent = encodeObject(schema, object);
      const again = encodeObject(schema, decodeObject<object>(schema, readEnvelope(sent)));
      if (!again.equals(sent)) throw new Error(`${schema} is another object when sent on`);
      // An accepted object is shown and stored as JSON.
      decodeJson(schema, JSON.parse(JSON.stringify(object)));
      return "taken";
    } catch (thrown) {
      if (thrown instanceof DecodeError) return "refused";
      throw thrown;
    }
  },
};
