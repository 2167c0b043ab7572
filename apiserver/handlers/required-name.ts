import { badRequest } from "../object/errors/catalog.ts";

/** Throws 400 when an object is not the one that the URL names. */
export function requireName(given: string | undefined, name: string): void {
  if (given === name) return;
  throw badRequest(
    given
      ? `the name of the object (${given}) does not match the name on the URL (${name})`
      : `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
  );
}
