import { zeroStructWithNulls } from "@raft2kube/api/codec/json.ts";
import { isBuiltIn, type Kind, type KubeObject } from "@raft2kube/api/kind.ts";
import { kindOf } from "@raft2kube/api/kinds.ts";
import { type SchemaRef, type Struct, structOf } from "@raft2kube/api/schema.ts";
import { apiVersionOf, parseApiVersion } from "../group-version.ts";
import type { JsonObject } from "../json/json.ts";
import { noteUnset } from "./unset.ts";

type Path = readonly string[];

/** How the owners of an object's fields are kept for one endpoint to it. */
export interface Tracked {
  readonly apiVersion: string;
  /** The schema that defines the fields: `apps/v1.Deployment`. */
  readonly schema: SchemaRef;
  /** Fields that writes through this endpoint never change, regardless of the body. */
  readonly ignored: readonly Path[];
  /** The same object in the version that another owner wrote it in; undefined: no such version. */
  elsewhere(apiVersion: string): Elsewhere | undefined;
}

export interface Elsewhere {
  readonly schema: SchemaRef;
  convert(object: KubeObject): KubeObject;
}

const SPEC = ["f:spec"];
const STATUS = ["f:status"];
const METADATA = ["f:metadata"];

/** Endpoints that leave more alone than `/status` does with spec (upstream's GetResetFields). */
const IGNORED: Readonly<Record<string, readonly Path[]>> = {
  "admissionregistration/v1.ValidatingAdmissionPolicy/status": [SPEC, METADATA],
  "apiregistration/v1.APIService/status": [SPEC, METADATA],
  "apps/v1.Deployment/status": [SPEC, ["f:metadata", "f:labels"]],
  "certificates/v1.CertificateSigningRequest/": [SPEC, STATUS],
  "certificates/v1.CertificateSigningRequest/status": [SPEC, ["f:status", "f:conditions"]],
  "certificates/v1.CertificateSigningRequest/approval": [SPEC, ["f:status", "f:certificate"]],
  "core/v1.Namespace/finalize": [STATUS],
  "core/v1.Pod/status": [
    SPEC,
    ["f:metadata", "f:deletionTimestamp"],
    ["f:metadata", "f:ownerReferences"],
  ],
  "flowcontrol/v1.FlowSchema/status": [SPEC, METADATA],
  "flowcontrol/v1.PriorityLevelConfiguration/status": [SPEC, METADATA],
  "networking/v1.ServiceCIDR/status": [SPEC, METADATA],
  "resource/v1.ResourceClaim/status": [SPEC, METADATA],
  "storage/v1.VolumeAttachment/status": [SPEC, METADATA],
};

/** How writes of a kind are tracked, through its own endpoint ("") or a subresource's. */
export const trackedOf = (kind: Kind, subresource: string): Tracked => ({
  apiVersion: apiVersionOf(kind),
  schema: kind.schema,
  ignored: ignoredBy(kind, subresource),
  elsewhere: (apiVersion) => elsewhere(kind, apiVersion),
});

function ignoredBy(kind: Kind, subresource: string): readonly Path[] {
  const own = IGNORED[`${structOf(kind.schema).name}/${subresource}`];
  if (own !== undefined) return own;
  if (kind.subresources["status"] === undefined) return [];
  if (subresource === "") return [STATUS];
  if (subresource !== "status") return [];
  return isBuiltIn(kind) ? [SPEC] : [SPEC, METADATA];
}

function elsewhere(kind: Kind, apiVersion: string): Elsewhere | undefined {
  const named = parseApiVersion(apiVersion);
  const other =
    kind.versions === undefined
      ? named && kindOf(named.group, named.version, kind.kind)
      : kind.versions.get(apiVersion);
  if (other === undefined) return undefined;
  const convert = (object: KubeObject) => {
    const stored = kind.toStorage?.(structuredClone(object)) ?? structuredClone(object);
    return other.fromStorage?.(stored) ?? stored;
  };
  return { schema: other.schema, convert };
}

const empty = new WeakMap<Struct, JsonObject>();

/** An object without any set field, as Go writes it: the base of a creation. */
export function nothingOf(schema: SchemaRef): JsonObject {
  const struct = structOf(schema);
  const known = empty.get(struct);
  if (known !== undefined) return known;
  const zero = zeroStructWithNulls<JsonObject>(struct);
  empty.set(struct, zero);
  noteUnset(zero);
  return zero;
}
