import type { Container, Volume } from "@raft2kube/api/gen/core/v1.ts";
import { procMount } from "./baseline.ts";
import type { Check, Finding, Judged } from "./finding.ts";
import { containersOf, hasOwnUsers, isWindows, namesWhere } from "./finding.ts";
import { seccompRestricted } from "./profiles.ts";
import { namedContainers, plural, quoted, settersOf, sortedSet } from "./words.ts";

function privilegeEscalation(pod: Judged): Finding | undefined {
  const names = namesWhere(
    pod,
    ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false,
  );
  if (names.length === 0) return undefined;
  const what = "must set securityContext.allowPrivilegeEscalation=false";
  const detail = `${namedContainers(names)} ${what}`;
  return { reason: "allowPrivilegeEscalation != false", detail };
}

function capabilities(pod: Judged): Finding | undefined {
  const strange = ({ securityContext }: Container) =>
    (securityContext?.capabilities?.add ?? []).filter((each) => each !== "NET_BIND_SERVICE");
  const keeping = namesWhere(
    pod,
    ({ securityContext }) => !(securityContext?.capabilities?.drop ?? []).includes("ALL"),
  );
  const adding = namesWhere(pod, (each) => strange(each).length > 0);
  const added = sortedSet(containersOf(pod).flatMap(strange));
  const details = [
    ...(keeping.length > 0
      ? [`${namedContainers(keeping)} must set securityContext.capabilities.drop=["ALL"]`]
      : []),
    ...(adding.length > 0
      ? [
          `${namedContainers(adding)} must not include ${quoted(added)} ` +
            "in securityContext.capabilities.add",
        ]
      : []),
  ];
  if (details.length === 0) return undefined;
  return { reason: "unrestricted capabilities", detail: details.join("; ") };
}

const VOLUMES = new Set([
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "image",
  "persistentVolumeClaim",
  "projected",
  "secret",
]);

function volumes({ spec }: Judged): Finding | undefined {
  const bad = (spec.volumes ?? []).filter((volume) => !VOLUMES.has(sourceOf(volume)));
  if (bad.length === 0) return undefined;
  const types = sortedSet(bad.map(sourceOf));
  const use = plural(bad.length, "uses", "use");
  const type = plural(types.length, "restricted volume type");
  const names = quoted(bad.map(({ name }) => name));
  return {
    reason: "restricted volume types",
    detail: `${plural(bad.length, "volume")} ${names} ${use} ${type} ${quoted(types)}`,
  };
}

function sourceOf(volume: Volume): string {
  return Object.keys(volume).find((key) => key !== "name") ?? "unknown";
}

function runAsNonRoot(pod: Judged): Finding | undefined {
  if (hasOwnUsers(pod)) return undefined;
  const reason = "runAsNonRoot != true";
  const ofPod = pod.spec.securityContext?.runAsNonRoot;
  const wish = ({ securityContext }: Container) => securityContext?.runAsNonRoot;
  const setters = settersOf(
    ofPod === false,
    namesWhere(pod, (each) => wish(each) === false),
  );
  if (setters.length > 0) {
    const detail = `${setters.join(" and ")} must not set securityContext.runAsNonRoot=false`;
    return { reason, detail };
  }
  if (ofPod === true) return undefined;
  const names = namesWhere(pod, (each) => wish(each) === undefined);
  if (names.length === 0) return undefined;
  const detail = `pod or ${namedContainers(names)} must set securityContext.runAsNonRoot=true`;
  return { reason, detail };
}

function runAsUser(pod: Judged): Finding | undefined {
  if (hasOwnUsers(pod)) return undefined;
  const names = namesWhere(pod, ({ securityContext }) => securityContext?.runAsUser === 0);
  const setters = settersOf(pod.spec.securityContext?.runAsUser === 0, names);
  if (setters.length === 0) return undefined;
  return { reason: "runAsUser=0", detail: `${setters.join(" and ")} must not set runAsUser=0` };
}

/** Windows has no such things, by the rules of 1.25 and later. */
const unlessWindows = (find: Check["find"]) => (pod: Judged) =>
  pod.minor >= 25 && isWindows(pod) ? undefined : find(pod);

/** The restricted level's checks besides the baseline's, in upstream's order. */
export const RESTRICTED: readonly Check[] = [
  { id: "allowPrivilegeEscalation", since: 8, find: unlessWindows(privilegeEscalation) },
  {
    id: "capabilities_restricted",
    since: 22,
    replaces: "capabilities_baseline",
    find: unlessWindows(capabilities),
  },
  { id: "procMount_restricted", since: 35, replaces: "procMount", find: procMount },
  { id: "restrictedVolumes", since: 0, replaces: "hostPathVolumes", find: volumes },
  { id: "runAsNonRoot", since: 0, find: runAsNonRoot },
  { id: "runAsUser", since: 23, find: runAsUser },
  {
    id: "seccompProfile_restricted",
    since: 19,
    replaces: "seccompProfile_baseline",
    find: unlessWindows(seccompRestricted),
  },
];
