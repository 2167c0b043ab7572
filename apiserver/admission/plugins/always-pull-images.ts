import { messageOfField, notSupported } from "@raft2kube/api/errors.ts";
import type { Container } from "@raft2kube/api/gen/core/v1.ts";
import type { Pod } from "../../object/pod.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns, refusal } from "../plugin.ts";

const ALWAYS = "Always";
const LISTS = ["initContainers", "containers", "ephemeralContainers"] as const;

/**
 * Sets every imagePullPolicy to Always, so that only pods with pull credentials can use an image.
 */
export const alwaysPullImages = (): AdmissionPlugin => ({
  name: "AlwaysPullImages",
  admit(request) {
    if (!isAbout(request)) return;
    const pod = request.object as Pod;
    for (const [, container] of containersOf(pod)) container.imagePullPolicy = ALWAYS;
    for (const [, image] of imagesOf(pod)) image.pullPolicy = ALWAYS;
  },
  validate(request) {
    if (!isAbout(request)) return;
    const pod = request.object as Pod;
    const wrong = [
      ...containersOf(pod).map(([path, each]) => [`${path}.imagePullPolicy`, each.imagePullPolicy]),
      ...imagesOf(pod).map(([path, each]) => [`${path}.pullPolicy`, each.pullPolicy]),
    ].filter(([, policy]) => policy !== ALWAYS);
    if (wrong.length === 0) return;
    const texts = wrong.map(([field, policy]) => notSupported(field!, policy ?? "", [ALWAYS]));
    throw refusal(request, texts.map(messageOfField).join(", "));
  },
});

/** Creations, and updates that bring new images. */
function isAbout(request: AdmissionRequest): boolean {
  if (!concerns(request, "", "pods") || request.object === undefined) return false;
  if (request.operation !== "UPDATE") return true;
  const known = new Set(containersOf(request.old as Pod).map(([, { image }]) => image));
  return containersOf(request.object as Pod).some(([, { image }]) => !known.has(image));
}

function containersOf({ spec }: Pod): [string, Container][] {
  return LISTS.flatMap((list) =>
    ((spec[list] ?? []) as Container[]).map((each, index): [string, Container] => [
      `spec.${list}[${index}]`,
      each,
    ]),
  );
}

function imagesOf({ spec }: Pod): [string, { pullPolicy?: string }][] {
  return (spec.volumes ?? []).flatMap((volume, index): [string, { pullPolicy?: string }][] =>
    volume.image === undefined ? [] : [[`spec.volumes[${index}].image`, volume.image]],
  );
}
