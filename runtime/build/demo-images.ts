import type { ImageStore } from "../image/store.ts";
import { busyboxRecipe } from "./busybox.ts";
import { buildImage, type ImageRecipe, recipeHash } from "./image-builder.ts";
import { webRecipe } from "./web.ts";

/** The label that says what an image was built from. */
const SOURCE_LABEL = "r2k.source";

/**
 * Builds a recipe's image unless the store has it from the same content; true when it was built.
 */
async function buildUnlessCurrent(store: ImageStore, recipe: ImageRecipe): Promise<boolean> {
  const source = recipeHash(recipe);
  const present = store.find(recipe.name);
  if (present?.config.config?.Labels?.[SOURCE_LABEL] === source) return false;
  const config = { ...recipe.config, Labels: { ...recipe.config.Labels, [SOURCE_LABEL]: source } };
  await buildImage(store, { ...recipe, config });
  return true;
}

/**
 * The images of the demo, from programs of this machine, so that a cluster starts offline:
 * `r2k.local/busybox:1`, `r2k.local/web:1` and `:2`. Returns the names that were built now.
 */
export async function buildDemoImages(
  store: ImageStore,
  programs: { busybox: string; init: string },
): Promise<string[]> {
  const recipes = [
    await busyboxRecipe(programs.busybox),
    await webRecipe(1, programs),
    await webRecipe(2, programs),
  ];
  const built: string[] = [];
  for (const recipe of recipes) {
    if (await buildUnlessCurrent(store, recipe)) built.push(recipe.name);
  }
  return built;
}
