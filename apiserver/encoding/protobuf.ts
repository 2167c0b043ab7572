import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import {
  decodeObject,
  encodeObject,
  envelopeAround,
  readEnvelope,
} from "@raft2kube/api/codec/envelope.ts";
import { encodeProtobuf as encodeMessage } from "@raft2kube/api/codec/protobuf.ts";
import { factsOf, hasFacts } from "@raft2kube/api/facts.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { hasStruct, type SchemaRef } from "@raft2kube/api/schema.ts";
import { JSON_TYPE, YAML_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { joinSliced } from "@raft2kube/apimachinery/encode/sliced.ts";
import { badRequest, notAcceptable } from "@raft2kube/apimachinery/errors/catalog.ts";
import { parseApiVersion } from "@raft2kube/apimachinery/group-version.ts";
import type { Slices } from "@raft2kube/std/slices.ts";
import protobuf from "protobufjs/minimal.js";

/**
 * The schema of a body by its own type: packages are named by the first word of their group. Status
 * and
 * other meta kinds travel as version v1 of the core group.
 */
function schemaOf(apiVersion: string, kind: string): string | undefined {
  const parsed = parseApiVersion(apiVersion);
  if (parsed === undefined) return undefined;
  const { group, version } = parsed;
  // The documents of the core group do not say of which version they are, and those of meta's own
  // group are the same in each.
  const meta = group === "meta.k8s.io" || (group === "" && META_KINDS.has(kind));
  const name = group === "" ? "core" : group.split(".")[0]!;
  const from = meta ? "meta/v1" : `${name}/${version}`;
  const schema = `${from}.${kind}`;
  // A custom resource's group may start as one of ours does.
  const own = meta || (hasFacts(from) && factsOf(from).group === group);
  return own && hasStruct(schema) ? schema : undefined;
}

const META_KINDS = new Set([
  "Status",
  "DeleteOptions",
  "APIGroup",
  "APIGroupList",
  "APIResourceList",
  "APIVersions",
]);

/** Bytes of an object in the envelope. Throws 406 for kinds that have no protobuf form. */
export function encodeProtobuf(object: KubeObject): Buffer {
  const schema = schemaOf(object.apiVersion ?? "", object.kind ?? "");
  if (schema === undefined) throw notAcceptable([JSON_TYPE, YAML_TYPE]);
  return encodeObject(schema, object);
}

/** A list whose items may be made while it is written. */
export interface ListOfItems {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: object;
  readonly items: Iterable<object>;
}

/**
 * A list in the envelope, each item encoded by itself in the schema of items, others running in
 * between. Lists of all kinds have their metadata in field 1 and their items in field 2.
 */
export async function encodeProtobufList(
  list: ListOfItems,
  schema: SchemaRef,
  slices: Pick<Slices, "due" | "pause">,
): Promise<Buffer> {
  const parts = [delimited(1, encodeMessage("meta/v1.ListMeta", list.metadata))];
  for (const item of list.items) {
    // An item that was parsed for this has taken its time already.
    if (slices.due) await slices.pause();
    parts.push(delimited(2, encodeMessage(schema, item)));
    if (slices.due) await slices.pause();
  }
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  const { before, behind } = envelopeAround(list, bytes);
  return await joinSliced([before, ...parts, behind], `encode ${list.kind}: join`, slices);
}

function delimited(id: number, bytes: Uint8Array): Buffer {
  const head = protobuf.Writer.create()
    .uint32((id << 3) | 2)
    .uint32(bytes.length)
    .finish();
  return Buffer.concat([head, bytes]);
}

/** Decodes DeleteOptions in protobuf, in any group that the client's envelope names. */
export function decodeProtobufOptions(body: Buffer): object {
  return guarded(() => decodeObject<object>("meta/v1.DeleteOptions", readEnvelope(body)));
}

function guarded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (thrown) {
    if (thrown instanceof DecodeError) throw badRequest(thrown.message);
    throw thrown;
  }
}
