import { POD_SCENES, type Scene } from "./cases.ts";
import { CLASS_SCENES } from "./class-cases.ts";

/** All that a server without a configuration of its own is asked. */
export const SCENES: readonly Scene[] = [...POD_SCENES, ...CLASS_SCENES];
