import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import {
  decodeObject,
  encodeObject,
  type Envelope,
  readEnvelope,
} from "@raft2kube/api/codec/envelope.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { hasStruct } from "@raft2kube/api/schema.ts";
import { badRequest, notAcceptable } from "../errors/catalog.ts";
import { parseApiVersion } from "../registry/group-version.ts";
import { checkType, type DecodeOptions } from "./decode.ts";
import { JSON_TYPE, YAML_TYPE } from "./negotiate.ts";

/**
 * The schema of a body by its own type: packages are named by the first word of their group. Status
 * and
 * other meta kinds travel as version v1 of the core group.
 */
function schemaOf(apiVersion: string, kind: string): string | undefined {
  const parsed = parseApiVersion(apiVersion);
  if (parsed === undefined) return undefined;
  const { group, version } = parsed;
  const meta = group === "" && META_KINDS.has(kind);
  const name = meta ? "meta" : group === "" ? "core" : group.split(".")[0]!;
  return hasStruct(`${name}/${version}.${kind}`) ? `${name}/${version}.${kind}` : undefined;
}

const META_KINDS = new Set(["Status", "DeleteOptions", "APIGroupList", "APIResourceList"]);

/** Bytes of an object in the envelope. Throws 406 for kinds that have no protobuf form. */
export function encodeProtobuf(object: KubeObject): Buffer {
  const schema = schemaOf(object.apiVersion ?? "", object.kind ?? "");
  if (schema === undefined) throw notAcceptable([JSON_TYPE, YAML_TYPE]);
  return encodeObject(schema, object);
}

/** The object in a protobuf body. Throws 400 on a malformed one or one of another type. */
export function decodeProtobufBody<T extends KubeObject>(body: Buffer, options: DecodeOptions): T {
  return guarded(() => {
    const envelope = readEnvelope(body);
    checkType(typeOf(envelope), options.kind);
    const object = decodeObject<T>(options.schema, envelope);
    object.metadata ??= {};
    return object;
  });
}

/** DeleteOptions in protobuf, whatever group the client's envelope puts them into. */
export function decodeProtobufOptions(body: Buffer): object {
  return guarded(() => decodeObject<object>("meta/v1.DeleteOptions", readEnvelope(body)));
}

function typeOf(envelope: Envelope): object {
  const { apiVersion, kind } = envelope;
  return { ...(apiVersion === "" ? {} : { apiVersion }), ...(kind === "" ? {} : { kind }) };
}

function guarded<T>(decode: () => T): T {
  try {
    return decode();
  } catch (thrown) {
    if (thrown instanceof DecodeError) throw badRequest(thrown.message);
    throw thrown;
  }
}
