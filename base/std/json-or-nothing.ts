import { tolerateSync } from "./errors.ts";

const isSyntax = (thrown: unknown): boolean => thrown instanceof SyntaxError;

/** Returns the parsed JSON; undefined for a text that is none: that of others may be anything. */
export const jsonOrNothing = (text: string): unknown =>
  tolerateSync(() => JSON.parse(text) as unknown, isSyntax);
