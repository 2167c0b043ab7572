import { type Case, POD_CASES } from "./cases.ts";
import { CLASS_CASES } from "./class-cases.ts";

/** All that a server without a configuration of its own is asked. */
export const CASES: readonly Case[] = [...POD_CASES, ...CLASS_CASES];
