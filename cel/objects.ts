/** Types of objects whose fields do not change. */
import type { TypeProvider } from "./library.ts";
import { objectType, type Type } from "./types.ts";

/** Fields by their name, for each type by its name. */
export type ObjectTypes = Readonly<Record<string, Readonly<Record<string, Type>>>>;

/** Declares objects by their fields. They are not to be constructed. */
export const objectTypes = (types: ObjectTypes): TypeProvider => ({
  findType: (name) => (Object.hasOwn(types, name) ? objectType(name) : undefined),
  findField(type, field) {
    const fields = Object.hasOwn(types, type) ? types[type]! : {};
    return Object.hasOwn(fields, field) ? { type: fields[field]! } : undefined;
  },
});
