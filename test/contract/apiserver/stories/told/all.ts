import type { Story } from "../teller.ts";
import { COLUMNS } from "./columns.ts";
import { CONTENT } from "./content.ts";
import { CREATE } from "./create.ts";
import { DELETE } from "./delete.ts";
import { DOORS } from "./doors.ts";
import { IMPERSONATION } from "./impersonation.ts";
import { LEGACY_TOKENS } from "./legacy-tokens.ts";
import { LIST } from "./list.ts";
import { PATCH } from "./patch.ts";
import { PATHS } from "./paths.ts";
import { RANDOM } from "./random.ts";
import { REVIEWS } from "./reviews.ts";
import { START } from "./start.ts";
import { SUBRESOURCES } from "./subresources.ts";
import { UPDATE } from "./update.ts";
import { WATCH } from "./watch.ts";

/** Every story, each told by itself. */
export const STORIES: readonly Story[] = [
  ...CREATE, ...UPDATE, ...PATCH, ...DELETE, ...LIST, ...WATCH, ...CONTENT, ...SUBRESOURCES,
  ...REVIEWS, ...PATHS, ...COLUMNS, ...DOORS, ...START, ...LEGACY_TOKENS, ...IMPERSONATION,
  ...RANDOM,
];
