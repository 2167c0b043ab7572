import { KubeError } from "@raft2kube/client-kube/errors.ts";
import { canDo } from "@raft2kube/client-kube/rest/discovery.ts";
import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import { ownedBy } from "@raft2kube/explain/owned.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { listed as shortened } from "@raft2kube/std/listed.ts";
import { resource } from "./api.ts";
import { isOf, type Kind, type Target } from "./kinds.ts";

const OBJECTS_MAX = 2_000;
const NAMES_MAX = 50;
/** Kinds that a server deletes by itself after a time. */
const isLeftOut = isOf("events", "events.events.k8s.io");
const isDefinition = isOf("customresourcedefinitions.apiextensions.k8s.io");

/** Lists, a line for each kind, the objects that go with a deleted one, and what was not listed. */
export async function dependents({ kind, kinds, object }: Target): Promise<string[]> {
  const { name, namespace } = object.metadata;
  const own = `${kind.kind} ${name}`;
  const defines = isDefinition({ kind });
  const within = isOf("namespaces")({ kind }) ? name : namespace;
  if (within === undefined && !defines) return [own];
  const wanted = kinds.filter((each) =>
    defines
      ? groupResourceOf(each) === name
      : each.namespaced && canDo(each, "delete") && !isLeftOut({ kind: each }),
  );
  // A browser sends some requests at a time, and the others when these are answered.
  const found = await Promise.all(wanted.map((each) => listed(each, within)));
  const all = found.flatMap(({ objects = [] }) => objects);
  const gone = Map.groupBy(namespace ? ownedBy(object, all) : all, (each) => each.kind);
  const unseen = found.filter(({ objects }) => !objects).map(({ type }) => groupResourceOf(type));
  const partly = found.filter(({ more }) => more);
  const names = (objects: typeof all) => objects.map(({ metadata }) => metadata.name);
  return [
    own,
    ...[...gone].map(([of, objects]) => `${of} ${shortened(names(objects), ", ", NAMES_MAX)}`),
    ...partly.map(({ type }) => `only ${OBJECTS_MAX} of ${type.kind} were looked at`),
    ...(unseen.length > 0 ? [`perhaps more, which could not be listed: ${unseen.join(", ")}`] : []),
  ];
}

/** Lists a kind; its objects are undefined where that failed. */
async function listed(type: Kind, namespace: string | undefined) {
  const options = { namespace, limit: OBJECTS_MAX, metadataOnly: true };
  const isUnseen = (thrown: unknown) =>
    thrown instanceof KubeError && thrown.http !== 429 && thrown.http !== 502;
  const list = await tolerate(resource(type).list(options), isUnseen);
  const objects = list?.items.map(({ metadata }) => ({ kind: type.kind, metadata }));
  return { type, objects, more: Boolean(list?.metadata.continue) };
}
