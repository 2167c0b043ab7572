import type { Pod } from "@raft2kube/api/gen/core/v1.ts";

/** Whether an update changes images or containers: nothing else in it can violate a rule. */
export function changesImages(pod: Pod, old: Pod): boolean {
  const lists = ["containers", "initContainers"] as const;
  const changed = lists.some((list) => {
    const [now, before] = [pod.spec?.[list] ?? [], old.spec?.[list] ?? []];
    const same = (index: number) => now[index]!.image === before[index]!.image;
    return now.length !== before.length || now.some((_, index) => !same(index));
  });
  if (changed) return true;
  const known = old.spec?.ephemeralContainers ?? [];
  return (pod.spec?.ephemeralContainers ?? []).some(
    ({ name, image }) => known.find((each) => each.name === name)?.image !== image,
  );
}
