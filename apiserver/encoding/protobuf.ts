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
import { hasStruct } from "@raft2kube/api/schema.ts";
import { JSON_TYPE, YAML_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { joinSliced } from "@raft2kube/apimachinery/encode/sliced.ts";
import { badRequest, notAcceptable } from "@raft2kube/apimachinery/errors/catalog.ts";
import { apiVersionOf, parseApiVersion } from "@raft2kube/apimachinery/group-version.ts";
import { parseExact } from "@raft2kube/std/exact-json.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import protobuf from "protobufjs/minimal.js";
import type { ObjectList } from "../request/answer.ts";
import { listMetadata } from "./transform.ts";

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

/**
 * A list of bodies in the envelope, each item encoded by itself, others running in between. Lists
 * of all kinds have their metadata in field 1 and their items in field 2.
 */
export async function encodeProtobufList(list: ObjectList): Promise<Buffer> {
  const { kind } = list;
  const slices = new Slices();
  const parts = [delimited(1, encodeMessage("meta/v1.ListMeta", listMetadata(list)))];
  for (const item of list.items) {
    const object = parseExact(item.toString("utf8")) as KubeObject;
    if (slices.due) await slices.pause();
    parts.push(delimited(2, encodeMessage(kind.schema, object)));
    if (slices.due) await slices.pause();
  }
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  const type = { apiVersion: apiVersionOf(kind), kind: kind.listKind };
  const { before, behind } = envelopeAround(type, bytes);
  return await joinSliced([before, ...parts, behind], `list ${kind.plural}: join`);
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
