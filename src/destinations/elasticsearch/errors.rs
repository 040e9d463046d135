//! The errors of Elasticsearch, by its specification and by what clusters answer; OpenSearch has the same.

use crate::destinations::errors::{ANY, ErrorClass, ErrorRow};

/// The errors of a whole `POST /{target}/_bulk`.
pub const BULK: &[ErrorRow] = &[
    ErrorRow {
        status: 400..=400,
        word: "invalid_index_name_exception",
        class: ErrorClass::Settings,
        meaning: "`index` or `data_stream` is not the name of an index",
        remedy: "correct `index` or `data_stream`",
        sample: r#"{"error":{"type":"invalid_index_name_exception","reason":"Invalid index name [A], must be lowercase"},"status":0}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: ANY,
        class: ErrorClass::Suspect,
        meaning: "it does not accept the request",
        remedy: "check `url`, `index` and `data_stream`, and send a `gatepost probe`",
        sample: r#"{"error":{"type":"illegal_argument_exception","reason":"no"},"status":0}"#,
    },
    ErrorRow {
        status: 401..=401,
        word: ANY,
        class: ErrorClass::Settings,
        meaning: "it does not take the credentials",
        remedy: CREDENTIALS,
        sample: r#"{"error":{"type":"security_exception","reason":"unable to authenticate with provided credentials"},"status":0}"#,
    },
    ErrorRow {
        status: 403..=403,
        word: ANY,
        class: ErrorClass::Settings,
        meaning: "the credentials do not allow to write there",
        remedy: PRIVILEGES,
        sample: r#"{"error":{"type":"security_exception","reason":"action [indices:data/write/bulk] is unauthorized"},"status":0}"#,
    },
    ErrorRow {
        status: 404..=404,
        word: "index_not_found_exception",
        class: ErrorClass::Settings,
        meaning: "the index does not exist, and may not be made",
        remedy: INDEX,
        sample: r#"{"error":{"type":"index_not_found_exception","reason":"no such index [gatepost]"},"status":0}"#,
    },
    ErrorRow {
        status: 404..=405,
        word: ANY,
        class: ErrorClass::Suspect,
        meaning: "nothing takes bulk requests at this address",
        remedy: "set `url` to the base of the cluster, without a path of its API",
        sample: "",
    },
    ErrorRow {
        status: 406..=406,
        word: ANY,
        class: ErrorClass::Settings,
        meaning: "it takes no bulk requests in this form",
        remedy: "set `url` to Elasticsearch 7 or later, or OpenSearch",
        sample: "",
    },
    ErrorRow {
        status: 408..=408,
        word: ANY,
        class: ErrorClass::Again,
        meaning: "the request took too long",
        remedy: "",
        sample: "",
    },
    ErrorRow {
        status: 413..=413,
        word: ANY,
        class: ErrorClass::Refused,
        meaning: "the request is too large",
        remedy: "raise `http.max_content_length` of the cluster, or the limit of a proxy before it",
        sample: "",
    },
    ErrorRow {
        status: 429..=429,
        word: ANY,
        class: ErrorClass::Busy,
        meaning: "its queues are full",
        remedy: "",
        sample: r#"{"error":{"type":"es_rejected_execution_exception","reason":"rejected execution of coordinating operation"},"status":0}"#,
    },
    ErrorRow {
        status: 500..=599,
        word: ANY,
        class: ErrorClass::ByStatus,
        meaning: "Elasticsearch is in trouble",
        remedy: "",
        sample: "",
    },
];

/// The errors of one document of a bulk request that was taken, by the `type` of its error.
pub const DOCUMENT: &[ErrorRow] = &[
    ErrorRow {
        status: 400..=400,
        word: "document_parsing_exception",
        class: ErrorClass::Refused,
        meaning: "the document does not fit the mapping",
        remedy: MAPPING,
        sample: r#"{"type":"document_parsing_exception","reason":"[1:9] failed to parse field [unmapped.id] of type [long]"}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "mapper_parsing_exception",
        class: ErrorClass::Refused,
        meaning: "the document does not fit the mapping",
        remedy: MAPPING,
        sample: r#"{"type":"mapper_parsing_exception","reason":"failed to parse"}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "strict_dynamic_mapping_exception",
        class: ErrorClass::Suspect,
        meaning: "the mapping does not allow a field of the document",
        remedy: MAPPING,
        sample: r#"{"type":"strict_dynamic_mapping_exception","reason":"[1:9] mapping set to strict, dynamic introduction of [title] within [_doc] is not allowed"}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: "illegal_argument_exception",
        class: ErrorClass::Suspect,
        meaning: "the document cannot be written there",
        remedy: MAPPING,
        sample: r#"{"type":"illegal_argument_exception","reason":"Limit of total fields [1000] has been exceeded"}"#,
    },
    ErrorRow {
        status: 400..=400,
        word: ANY,
        class: ErrorClass::Suspect,
        meaning: "it does not accept the document",
        remedy: MAPPING,
        sample: r#"{"type":"routing_missing_exception","reason":"routing is required"}"#,
    },
    ErrorRow {
        status: 401..=401,
        word: ANY,
        class: ErrorClass::Settings,
        meaning: "it does not take the credentials",
        remedy: CREDENTIALS,
        sample: r#"{"type":"security_exception","reason":"missing authentication credentials"}"#,
    },
    ErrorRow {
        status: 403..=403,
        word: "cluster_block_exception",
        class: ErrorClass::Busy,
        meaning: "the index is blocked, perhaps because a disk is full",
        remedy: "",
        sample: r#"{"type":"cluster_block_exception","reason":"index [gatepost] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];"}"#,
    },
    ErrorRow {
        status: 403..=403,
        word: ANY,
        class: ErrorClass::Settings,
        meaning: "the credentials do not allow to write there",
        remedy: PRIVILEGES,
        sample: r#"{"type":"security_exception","reason":"action [indices:data/write/bulk[s]] is unauthorized"}"#,
    },
    ErrorRow {
        status: 404..=404,
        word: ANY,
        class: ErrorClass::Settings,
        meaning: "the index or data stream does not exist, and may not be made",
        remedy: INDEX,
        sample: r#"{"type":"index_not_found_exception","reason":"no such index [gatepost]"}"#,
    },
    ErrorRow {
        status: 413..=413,
        word: ANY,
        class: ErrorClass::Refused,
        meaning: "the document is too large",
        remedy: "",
        sample: "",
    },
    ErrorRow {
        status: 429..=429,
        word: ANY,
        class: ErrorClass::Busy,
        meaning: "its queues are full",
        remedy: "",
        sample: r#"{"type":"es_rejected_execution_exception","reason":"rejected execution of primary operation"}"#,
    },
    ErrorRow {
        status: 500..=599,
        word: ANY,
        class: ErrorClass::Again,
        meaning: "it cannot write the document now",
        remedy: "",
        sample: r#"{"type":"unavailable_shards_exception","reason":"primary shard is not active"}"#,
    },
];

const CREDENTIALS: &str = "renew or correct `api_key`, or `user` and `password`";
const PRIVILEGES: &str = "give them the privileges `create_doc` and `auto_configure` for the index or data stream";
const INDEX: &str = "create it, or give the credentials the privilege `auto_configure`";
const MAPPING: &str =
    "change the mapping of the index: `unmapped` and `labels` are best `flattened`; or set `format = \"ecs\"`";
/// The cluster answers 201 for it, but what searches the stream, a detection rule among others, does not see the document.
pub(super) const IN_FAILURE_STORE: &str = "Elasticsearch has put the document into the failure store of the data stream, because it \
    does not fit the mapping or a pipeline failed: look there for the reason (`GET STREAM::failures/_search`), mend it, and replay \
    this delivery";
