import { type FieldError, invalid, notSupported, required } from "../errors.ts";

/** Ways in which a value breaks a rule, each in words. */
type Rule<T> = (value: T) => readonly string[];

/** The errors of a value by a rule. */
export const invalidBy = <T>(rule: Rule<T>, field: string, value: T): FieldError[] =>
  rule(value).map((detail) => invalid(field, value, detail));

/** The same of a text that must be given. */
export const requiredBy = (rule: Rule<string>, field: string, text: string): FieldError[] =>
  text === "" ? [required(field)] : invalidBy(rule, field, text);

/** The errors of a list's members, each by its own path. */
export const eachOf = <T>(
  list: readonly T[] | undefined,
  field: string,
  validate: (member: T, field: string) => FieldError[],
): FieldError[] => (list ?? []).flatMap((member, at) => validate(member, `${field}[${at}]`));

/** The error of a value that is none of those allowed. */
export function oneOf(
  value: string | undefined,
  allowed: readonly string[],
  field: string,
): FieldError[] {
  if (value !== undefined && allowed.includes(value)) return [];
  return [notSupported(field, value, allowed)];
}

type Choice = Parameters<typeof oneOf>;

/** The same of a value that need not be set. */
export const oneOfIfSet = (...[value, allowed, field]: Choice): FieldError[] =>
  value === undefined ? [] : oneOf(value, allowed, field);

/** The same of a value that must be given. */
export const requiredOneOf = (...[value, allowed, field]: Choice): FieldError[] =>
  (value ?? "") === "" ? [required(field)] : oneOf(value, allowed, field);
