#include "core/gateway/password_rules.h"

static enum err check_none(const struct config *config, struct err_info *info) {
    return config->development
               ? ERR_NONE
               : err_set(
                     info, ERR_CONFIG,
                     "password_list is not set: people could take the passwords that are guessed first. Give a file "
                     "of those that are known; docs/operations.md, \"Known passwords\", says where it comes from");
}

static enum err check_count(const struct config *config, const struct password_list *list, struct err_info *info) {
    size_t count = password_list_count(list);
    return config->development || count >= PASSWORD_RULES_LEAST
               ? ERR_NONE
               : err_set(info, ERR_CONFIG,
                         "password_list: of the passwords in %.100s %zu are long enough to be chosen; it takes the %d "
                         "most frequent at least",
                         config->password_list, count, PASSWORD_RULES_LEAST);
}

enum err password_rules_open(const struct config *config, struct password_rules *ret_rules, struct err_info *info) {
    struct password_rules rules = {0};
    enum err err = house_words_read(config->password_words, &rules.house, info);
    if (err == ERR_NONE && *config->password_list == '\0') {
        err = check_none(config, info);
    } else if (err == ERR_NONE) {
        err = password_list_load(config->password_list, &rules.list, info);
        err = err == ERR_NONE ? check_count(config, rules.list, info) : err;
    }
    if (err != ERR_NONE) {
        password_rules_close(&rules);
        return err;
    }
    *ret_rules = rules;
    return ERR_NONE;
}

void password_rules_close(struct password_rules *rules) {
    password_list_free(rules->list);
    *rules = (struct password_rules){0};
}
