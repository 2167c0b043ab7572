import type { Case } from "../recorder.ts";
import { COLUMNS } from "./columns.ts";
import { CONTENT } from "./content.ts";
import { CREATE } from "./create.ts";
import { DELETE } from "./delete.ts";
import { BODIES_OF_SUBRESOURCES } from "./bodies-of-subresources.ts";
import { IMPERSONATION } from "./impersonation.ts";
import { LEGACY_TOKENS } from "./legacy-tokens.ts";
import { LIST } from "./list.ts";
import { PATCH } from "./patch.ts";
import { PATHS } from "./paths.ts";
import { RANDOM } from "./random.ts";
import { RANGE_CASES } from "./ranges.ts";
import { REVIEWS } from "./reviews.ts";
import { START } from "./start.ts";
import { SUBRESOURCES } from "./subresources.ts";
import { UPDATE } from "./update.ts";
import { WATCH } from "./watch.ts";

/** Every case, each in a namespace of its own. */
export const CASES: readonly Case[] = [
  ...CREATE, ...UPDATE, ...PATCH, ...DELETE, ...LIST, ...WATCH, ...CONTENT, ...SUBRESOURCES,
  ...REVIEWS, ...PATHS, ...COLUMNS, ...BODIES_OF_SUBRESOURCES, ...START, ...LEGACY_TOKENS,
  ...IMPERSONATION, ...RANDOM, ...RANGE_CASES,
];
