import { assertLimits } from "./assert.ts";

/** Characters of a quantity, so that no number takes long to read. */
export const QUANTITY_LENGTH_MAX = 256;

/** Exponents of quantities beyond this reach the cap or vanish; bounding them bounds the work. */
export const QUANTITY_EXPONENT_MAX = 60;

assertLimits({
  "an exponent within its bound fits into a quantity": QUANTITY_EXPONENT_MAX < QUANTITY_LENGTH_MAX,
});
