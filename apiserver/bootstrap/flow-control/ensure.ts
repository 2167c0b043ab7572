import { isDeepStrictEqual } from "node:util";
import type { FlowSchema, PriorityLevelConfiguration } from "@raft2kube/api/gen/flowcontrol/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { cloneObject } from "@raft2kube/apimachinery/json/clone.ts";
import { FLOWS, LEVELS, MANDATORY } from "@raft2kube/fairness/objects.ts";
import { goSwitch } from "@raft2kube/std/go-values.ts";
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
type Configured = Level | Schema;

/** Annotation that a user sets to "false" to keep an object unchanged. */
const AUTOUPDATE = "apf.kubernetes.io/autoupdate-spec";
/** The field manager of the objects, upstream's name of the controller. */
const PRODUCER = "api-priority-and-fairness-config-producer-v1";
const GROUP = "flowcontrol.apiserver.k8s.io/v1";

/** The two kinds. */
export const flowControlResources = ({ resources }: BootstrapServer) => ({
  levels: resources.of(GROUP, "prioritylevelconfigurations"),
  schemas: resources.of(GROUP, "flowschemas"),
});

/**
 * Makes upstream's priority levels and flow schemas, mends those whose users let them be, and takes
 * away those that say they are kept by the server and are none of them (an older version's).
 */
export async function ensureFlowControl(server: BootstrapServer): Promise<void> {
  const { levels, schemas } = flowControlResources(server);
  const settled = (resource: Resource, specs: Readonly<Record<string, object>>) =>
    Object.entries(specs).map(([name, spec]) => settle(server, resource, name, spec));
  await Promise.all([...settled(levels, LEVELS), ...settled(schemas, FLOWS)]);
  await removeStrangers(server, schemas, Object.keys(FLOWS));
  await removeStrangers(server, levels, Object.keys(LEVELS));
}

async function settle(
  server: BootstrapServer,
  resource: Resource,
  name: string,
  given: object,
): Promise<void> {
  const metadata = { name, annotations: { [AUTOUPDATE]: "true" } };
  const wanted: KubeObject & { spec: object } = { metadata, spec: given };
  const found = await resource.store.find<Configured>("", name);
  const options = internalWrite(PRODUCER);
  if (found === undefined) return await ensure(server, resource, wanted, options);
  const { spec } = decoded<Configured>(resource, wanted);
  if (revised(found, spec) === undefined) return;
  const change = (current: Configured) => revised(cloneObject(current), spec) ?? current;
  await changeInternally(server, resource, metadata, change, options);
}

/** The object with the spec and annotation it should have; undefined where it has them. */
function revised(found: Configured, spec: Configured["spec"]): KubeObject | undefined {
  const own = mayUpdate(found);
  const changes = own && !isAlike(found, spec);
  const said = found.metadata.annotations?.[AUTOUPDATE];
  if (!changes && said !== undefined && goSwitch(said) === own) return undefined;
  const annotations = { ...found.metadata.annotations, [AUTOUPDATE]: String(own) };
  return { ...found, metadata: { ...found.metadata, annotations }, ...(changes && { spec }) };
}

/**
 * Whether an object may be updated: as the annotation says, else if it is unchanged since its
 * creation.
 */
function mayUpdate({ metadata: { name = "", annotations, generation } }: KubeObject): boolean {
  if (MANDATORY.includes(name)) return true;
  return goSwitch(annotations?.[AUTOUPDATE] ?? "") ?? generation === 1;
}

/** The shares of the exempt level are its users' to choose. */
function isAlike({ metadata, spec }: Configured, wanted: object | undefined): boolean {
  const isExempt = metadata.name === "exempt" && spec !== undefined && "exempt" in spec;
  return isDeepStrictEqual(spec, isExempt ? { ...wanted, exempt: spec.exempt } : wanted);
}

async function removeStrangers(
  server: BootstrapServer,
  resource: Resource,
  wanted: readonly string[],
): Promise<void> {
  for (const entry of (await resource.cache()).list()) {
    const { name = "", uid, annotations } = entry.object<KubeObject>().metadata;
    if (wanted.includes(name) || goSwitch(annotations?.[AUTOUPDATE] ?? "") !== true) continue;
    await deleteInternally(server, resource, "", name, { uid });
  }
}
