/** Nesting of a body, in JSON, YAML and protobuf, and of the result of a JSON patch. */
export const BODY_DEPTH_MAX = 200;
/**
 * Nesting of a body within metadata.managedFields: what the server writes there about an object of
 * BODY_DEPTH_MAX levels has five more, and clients send it back.
 */
export const MANAGED_FIELDS_DEPTH_MAX = BODY_DEPTH_MAX + 5;
/**
 * Keys of a body that stand twice, items and types of an applied one that are wrong, conflicts: as
 * many are named, by so much of their paths.
 */
export const ODDITIES_MAX = 100;
export const ODDITY_CHARACTERS_MAX = 1_024;
/** Aliases and merges of a YAML body, and the characters that they expand to together. */
export const YAML_ALIASES_MAX = 100;
export const YAML_ALIASES_CHARS_MAX = 1024 * 1024;
/** Operations in one JSON patch (upstream's limit). */
export const JSON_PATCH_OPERATIONS_MAX = 10_000;
/** JSON that the copies of one JSON patch may add up to: each may double the whole (upstream's). */
export const JSON_PATCH_COPIES_BYTES_MAX = 3 * 1024 * 1024;
/**
 * Items that one JSON patch may move up or down in lists, to put others before them or take them
 * out: as many as its operations may in a list of 5,000. A longer list is for fewer operations.
 */
export const JSON_PATCH_ITEMS_MOVED_MAX = 5_000 * JSON_PATCH_OPERATIONS_MAX;
/**
 * JSON of the items that one strategic merge patch merges again, because it has their key more than
 * once in a list: each merge copies the item and rebuilds its lists, some 0.1 s in all.
 */
export const STRATEGIC_REPEATS_CHARS_MAX = 1024 * 1024;
/**
 * Characters of the findings about one object, after which no further one is added: each may show
 * a whole list, once for each of its thousands of items.
 */
export const FINDINGS_CHARS_MAX = 1024 * 1024;
/** Owners of one object that came by updates; the oldest are joined (upstream's 10). */
export const UPDATE_OWNERS_MAX = 10;
