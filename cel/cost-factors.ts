/** The units of cost. Source: cel-go's common/cost.go. */

export const SELECT_COST = 1;
export const LIST_COST = 10;
export const MAP_COST = 30;
export const STRUCT_COST = 40;

/** Cost of reading one character of a text. */
export const STRING_TRAVERSAL_FACTOR = 0.1;

/** Cost of one character of a regular expression for each unit of the text's. */
export const REGEX_LENGTH_FACTOR = 0.25;
