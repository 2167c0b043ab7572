import { IMAGE_NAME_LENGTH_MAX } from "../limits.ts";

/**
 * Returns the image reference, with `:latest` if it has neither tag nor digest. Throws RangeError
 * for an invalid reference (distribution's grammar, shortened).
 */
export function withDefaultTag(image: string): string {
  const match = /^([^@\s]+?)(?::([\w][\w.-]{0,127}))?(?:@(\w+:[0-9a-f]{32,}))?$/.exec(image);
  const name = match?.[1] ?? "";
  if (name.length > IMAGE_NAME_LENGTH_MAX) {
    const what = `couldn't parse image name of ${image.length} characters`;
    throw new RangeError(`${what}: its repository has more than ${IMAGE_NAME_LENGTH_MAX}`);
  }
  const [first = "", ...rest] = name.split("/");
  const path = rest.length > 0 && /[.:A-Z]|^localhost$/.test(first) ? rest : [first, ...rest];
  const part = /^[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*$/;
  if (path.length === 0 || !path.every((one) => part.test(one))) {
    throw new RangeError(`couldn't parse image name "${image}": invalid reference format`);
  }
  return match?.[2] || match?.[3] ? image : `${image}:latest`;
}
