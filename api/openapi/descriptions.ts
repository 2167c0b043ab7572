/** What `kubectl explain` says: our own words for kinds and the fields most asked about. */
import { WORKLOAD_TEXTS } from "./descriptions-apps.ts";
import { CORE_TEXTS } from "./descriptions-core.ts";
import { META_TEXTS } from "./descriptions-meta.ts";
import { POD_TEXTS } from "./descriptions-pod.ts";
import type { Texts } from "./texts.ts";

const ALL: Texts = { ...META_TEXTS, ...CORE_TEXTS, ...POD_TEXTS, ...WORKLOAD_TEXTS };

/** The text of a structure, or of a field of it; undefined where there is none yet. */
export function descriptionOf(schema: string, field = ""): string | undefined {
  const own = ALL[schema]?.[field];
  if (own !== undefined || field === "") return own;
  return COMMON[field];
}

/** Fields that mean the same in every kind. */
const COMMON: Readonly<Record<string, string>> = {
  metadata: "Name, labels and the rest of what every object has.",
  spec: "What is wanted.",
  status: "What was last seen; written by the system.",
  items: "The objects of the list.",
};
