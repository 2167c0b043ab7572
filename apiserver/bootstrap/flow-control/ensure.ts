import { isDeepStrictEqual } from "node:util";
import type { FlowSchema, PriorityLevelConfiguration } from "@raft2kube/api/gen/flowcontrol/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { cloneObject } from "@raft2kube/apimachinery/json/clone.ts";
import { specOf } from "@raft2kube/fairness/fairness.ts";
import { FLOWS, LEVELS, MANDATORY } from "@raft2kube/fairness/objects.ts";
import {
  changeInternally,
  decoded,
  deleteInternally,
  ensure,
  internalWrite,
} from "../../registry/internal-write.ts";
import type { Resource } from "../../resource/resource.ts";
import type { BootstrapServer } from "../server.ts";

export type Level = PriorityLevelConfiguration & KubeObject;
export type Schema = FlowSchema & KubeObject;

/** Annotation that a user sets to "false" to keep an object unchanged. */
const AUTOUPDATE = "apf.kubernetes.io/autoupdate-spec";
/** The field manager of the objects, upstream's name of the controller. */
const PRODUCER = "api-priority-and-fairness-config-producer-v1";
const GROUP = "flowcontrol.apiserver.k8s.io/v1";

/** The two kinds. */
export function flowControlResources(server: BootstrapServer): {
  levels: Resource;
  schemas: Resource;
} {
  return {
    levels: server.resources.of(GROUP, "prioritylevelconfigurations"),
    schemas: server.resources.of(GROUP, "flowschemas"),
  };
}

/**
 * Makes upstream's priority levels and flow schemas, mends those whose users let them be, and takes
 * away those that say they are kept by the server and are none of them (an older version's).
 */
export async function ensureFlowControl(server: BootstrapServer): Promise<void> {
  const { levels, schemas } = flowControlResources(server);
  await Promise.all([
    ...Object.entries(LEVELS).map(([name, spec]) =>
      settle<Level>(server, levels, { metadata: metadata(name), spec } as Level),
    ),
    ...Object.keys(FLOWS).map((name) =>
      settle<Schema>(server, schemas, { metadata: metadata(name), spec: specOf(name) } as Schema),
    ),
  ]);
  await removeStrangers(server, schemas, Object.keys(FLOWS));
  await removeStrangers(server, levels, Object.keys(LEVELS));
}

const metadata = (name: string) => ({ name, annotations: { [AUTOUPDATE]: "true" } });

async function settle<T extends Level | Schema>(
  server: BootstrapServer,
  resource: Resource,
  wanted: T,
): Promise<void> {
  const { name = "" } = wanted.metadata;
  const found = await resource.store.find<T>("", name);
  if (found === undefined) return await ensure(server, resource, wanted, internalWrite(PRODUCER));
  const { spec } = decoded<T>(resource, wanted);
  if (revised(found, spec) === undefined) return;
  const change = (current: T) => revised(cloneObject(current), spec) ?? current;
  await changeInternally<T>(server, resource, { name }, change, internalWrite(PRODUCER));
}

/** The object with the spec and annotation it should have; undefined where it has them. */
function revised<T extends Level | Schema>(found: T, spec: T["spec"]): T | undefined {
  const own = mayUpdate(found);
  const changes = own && !isAlike(found, spec);
  const said = found.metadata.annotations?.[AUTOUPDATE];
  if (!changes && said !== undefined && readBoolean(said) === own) return undefined;
  const annotations = { ...found.metadata.annotations, [AUTOUPDATE]: String(own) };
  const metadata = { ...found.metadata, annotations };
  return { ...found, metadata, ...(changes ? { spec } : {}) };
}

/**
 * Whether an object may be updated: as the annotation says, else if it is unchanged since its
 * creation.
 */
function mayUpdate({ metadata: { name = "", annotations, generation } }: KubeObject): boolean {
  if (MANDATORY.includes(name)) return true;
  return readBoolean(annotations?.[AUTOUPDATE]) ?? generation === 1;
}

/** The shares of the exempt level are its users' to choose. */
function isAlike({ metadata, spec }: Level | Schema, wanted: object | undefined): boolean {
  const { exempt } = (spec ?? {}) as NonNullable<Level["spec"]>;
  const isExempt = metadata.name === "exempt" && exempt !== undefined;
  return isDeepStrictEqual(spec, isExempt && "exempt" in wanted! ? { ...wanted, exempt } : wanted);
}

const TRUE: readonly string[] = ["1", "t", "T", "TRUE", "true", "True"];
const FALSE: readonly string[] = ["0", "f", "F", "FALSE", "false", "False"];

/** A truth value as Go's strconv reads it; undefined where it is none. */
function readBoolean(text = ""): boolean | undefined {
  if (TRUE.includes(text)) return true;
  return FALSE.includes(text) ? false : undefined;
}

async function removeStrangers(
  server: BootstrapServer,
  resource: Resource,
  wanted: readonly string[],
): Promise<void> {
  for (const entry of (await resource.cache()).list()) {
    const { name = "", uid, annotations } = entry.object<KubeObject>().metadata;
    if (wanted.includes(name) || readBoolean(annotations?.[AUTOUPDATE]) !== true) continue;
    await deleteInternally(server, resource, "", name, { uid });
  }
}
