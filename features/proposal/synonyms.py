"""What other systems call the tables and columns of the contract, likeliest first.

English, with the German and Chinese names that exports of those countries carry. A name is compared by its words, so
`InvoiceDate`, `invoice_date` and "Invoice date" are one. Synonyms say nothing about types: `matching.py` looks at
values.
"""

from collections.abc import Mapping

from features.suspects import words


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


TABLE_NAMES: Mapping[str, tuple[str, ...]] = {
    table: _names(text)
    for table, text in {
        "customers": "customer, clients, client, accounts, account, users, user, members, companies, company, crm, "
        "organisations, organizations, kunden, kundenstamm, 客户, 用户, 会员",
        "transactions": "transaction, orders, order, sales, sale, invoices, invoice, purchases, payments, order lines, "
        "order items, invoice lines, receipts, bestellungen, umsätze, rechnungen, verkäufe, 订单, 交易, 销售",
        "subscriptions": "subscription, subs, contracts, contract, plans, memberships, licences, licenses, "
        "abos, abonnements, verträge, 订阅, 合同",
        "usage_events": "usage, events, event, usage event, activity, activities, logins, sessions, product usage, "
        "feature usage, telemetry, clicks, nutzung, 使用, 行为, 事件",
        "nps_responses": "nps, nps answers, nps surveys, nps survey, nps response, promoter scores",
        "satisfaction_surveys": "csat, csat surveys, satisfaction, satisfaction survey, umfragen, 满意度",
        "interactions": "interaction, contacts, touchpoints, communications, calls, meetings, kontakte, 互动, 联系",
        "tickets": "ticket, support tickets, support, cases, incidents, complaints, helpdesk, anfragen, 工单, 投诉",
        "cancellations": "cancellation, churn events, cancels, kündigungen, 取消",
        "labels": "label, churn labels, churn, targets",
        "interventions": "intervention, campaigns, actions, outreach, maßnahmen",
        "leads": "lead, prospects, opportunities, 线索",
        "lead_stages": "lead stage, pipeline stages, stage history",
    }.items()
}

CUSTOMER = (
    "customer id, customer, customer no, customer number, customer nr, customer key, customer code, cust id, cust no, "
    "client id, client, client no, account id, account, account no, account number, user id, user, member id, "
    "company id, organisation id, organization id, org id, workspace id, tenant id, kundennummer, kunden nr, "
    "kunden id, kundennr, kunde, 客户编号, 客户id, 用户id, 会员号, 客户"
)

HAPPENED = (
    "occurred on, timestamp, event time, event timestamp, event date, datetime, date time, date, created at, created, "
    "created on, time, day, ts, datum, zeitpunkt, erstellt am, 日期, 时间, 创建时间"
)

COLUMN_NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    table: {column: _names(text) for column, text in columns.items()}
    for table, columns in {
        "customers": {
            "customer_id": f"{CUSTOMER}, id, uuid, key",
            "name": "customer name, company name, account name, full name, company, firma, kundenname, 名称, 客户名称",
            "signed_up_at": "signup date, sign up date, signed up, signup at, registered at, registration date, "
            "created at, created, customer since, member since, start date, joined at, join date, kunde seit, "
            "registriert am, 注册时间, 注册日期",
            "industry": "sector, vertical, branche, 行业",
            "employees": "employee count, number of employees, headcount, company size, mitarbeiter, 员工数",
            "annual_revenue": "yearly revenue, company revenue, jahresumsatz, 年收入",
            "region": "territory, area, bundesland, 地区, 区域",
            "country": "country code, nation, land, 国家",
            "account_owner": "owner, account manager, csm, sales rep, betreuer, 负责人",
            "preferred_channel": "contact preference",
            "birthday": "date of birth, birth date, birthdate, dob, geburtstag, geburtsdatum, 生日",
            "acquisition_channel": "channel, acquisition source, referral source, lead source, signup source, "
            "kanal, 渠道",
            "acquisition_cost": "cac",
        },
        "transactions": {
            "customer_id": CUSTOMER,
            "occurred_at": "invoice date, order date, purchase date, transaction date, payment date, sale date, "
            "ordered at, paid at, purchased at, order time, bestelldatum, rechnungsdatum, kaufdatum, 下单时间, "
            f"订单日期, 购买日期, {HAPPENED}",
            "amount": "net amount, total, line total, total amount, order total, order value, net, revenue, sales, "
            "total price, value, sum, betrag, umsatz, nettobetrag, 金额, 销售额",
            "order_id": "invoice, invoice no, invoice number, invoice id, order, order no, order number, "
            "transaction id, "
            "receipt no, basket id, bestellnummer, bestellung, rechnungsnummer, 订单号, 订单编号",
            "product": "stock code, sku, product id, product code, item, item id, product name, article, artikel, "
            "artikelnummer, 产品, 商品",
            "quantity": "qty, units, pieces, count, menge, anzahl, 数量",
            "unit_price": "price, item price, price per unit, preis, einzelpreis, stückpreis, 单价, 价格",
            "gross_margin": "margin, profit, gross profit, deckungsbeitrag, 毛利",
            "discount": "discount rate, discount share, rabatt, 折扣",
            "currency": "currency code, währung, 币种, 货币",
            "recorded_at": "recorded on, booked at, inserted at, loaded at",
        },
        "subscriptions": {
            "customer_id": CUSTOMER,
            "started_at": "start date, started, start, starts at, starts on, valid from, from date, period start, "
            "begin, "
            "begin date, created at, startdatum, beginn, vertragsbeginn, 开始日期, 开始时间",
            "ended_at": "end date, ended, end, ends at, ends on, valid to, valid until, to date, period end, "
            "cancelled at, "
            "canceled at, cancellation date, churned at, enddatum, ende, vertragsende, 结束日期, 结束时间",
            "monthly_amount": "mrr, mrr amount, monthly recurring revenue, monthly price, monthly fee, "
            "monthly revenue, "
            "price per month, amount, price, fee, monatspreis, monatsbetrag, 月费",
            "term_ends_at": "term end, term end date, renewal date, renews at, contract end, laufzeitende, 到期日",
            "renews": "auto renew, auto renewal, auto renews, auto renew flag, 自动续费",
            "product": "plan, plan name, plan tier, product name, sku, tarif, produkt, 套餐, 产品",
            "seats": "seat count, licences, licenses, users, plätze, 席位",
            "discount": "discount rate, discount share, rabatt, 折扣",
            "recorded_at": "recorded on, inserted at, loaded at",
        },
        "usage_events": {
            "customer_id": CUSTOMER,
            "occurred_at": f"usage date, used at, logged at, activity date, {HAPPENED}",
            "feature": "event, event name, event type, feature name, action, activity, module, type, 功能, 事件",
            "quantity": "count, usage count, event count, uses, value, n, anzahl, 次数, 数量",
            "recorded_at": "recorded on, received at, inserted at, loaded at",
        },
        "nps_responses": {
            "customer_id": CUSTOMER,
            "occurred_at": f"answered at, responded at, response date, survey date, submitted at, {HAPPENED}",
            "score": "nps, nps score, rating, answer, 评分",
            "respondent": "contact, respondent email, answered by",
            "comment": "comments, feedback, verbatim, text, kommentar, 评论",
        },
        "satisfaction_surveys": {
            "customer_id": CUSTOMER,
            "occurred_at": f"answered at, responded at, response date, survey date, submitted at, {HAPPENED}",
            "score": "csat, satisfaction, satisfaction score, rating, zufriedenheit, 满意度",
            "topic": "subject, question, thema",
            "suggestion": "comment, feedback, vorschlag, 建议",
        },
        "interactions": {
            "customer_id": CUSTOMER,
            "occurred_at": f"contacted at, interaction date, contact date, call date, {HAPPENED}",
            "channel": "medium, contact type, type, interaction type, kanal, 渠道",
            "direction": "inbound outbound, richtung, 方向",
            "topic": "subject, reason, category, thema, 主题",
            "outcome": "result, disposition, ergebnis, 结果",
        },
        "tickets": {
            "customer_id": CUSTOMER,
            "occurred_at": f"opened at, submitted at, submitted on, open date, ticket date, {HAPPENED}",
            "first_response_minutes": "first response time minutes, first reply minutes",
            "first_solution_at": "first solved at",
            "closed_at": "resolved at, solved at, closed, closed on, close date, resolution date, 关闭时间",
            "is_complaint": "complaint, complaint flag, beschwerde, 投诉",
            "satisfaction": "satisfaction score, csat, rating, zufriedenheit, 满意度",
            "category": "type, topic, ticket type, kategorie, 类别",
            "severity": "priority, urgency, priorität, 优先级",
        },
        "cancellations": {
            "customer_id": CUSTOMER,
            "occurred_at": f"cancelled at, canceled at, cancellation date, churn date, churned at, {HAPPENED}",
            "reason": "reason code, cancellation reason, churn reason, grund, kündigungsgrund, 原因",
            "feedback": "feedback text, comment, comments, kommentar, 反馈",
        },
        "labels": {
            "customer_id": f"{CUSTOMER}, id",
            "as_of": "snapshot date, cutoff, cut off, cutoff date, reference date, observation date, stichtag, date",
            "churned": "churn, churn label, churn flag, is churned, has churned, label, target, exited, attrited, "
            "churn value, abgewandert, 流失",
            "value": "future value, future revenue",
        },
        "interventions": {
            "customer_id": CUSTOMER,
            "occurred_at": f"started at, action date, {HAPPENED}",
            "playbook": "campaign, action, offer, measure, maßnahme",
            "arm": "group, treatment, variant",
        },
        "leads": {
            "lead_id": "id, lead, lead no, lead number, 线索编号",
            "created_at": f"created on, lead date, {HAPPENED}",
            "customer_id": CUSTOMER,
        },
        "lead_stages": {
            "lead_id": "lead, lead no, id",
            "stage": "status, stage name, 阶段",
            "entered_at": f"changed at, since, {HAPPENED}",
        },
    }.items()
}


def same(name: str) -> str:
    """The form under which two spellings of a name are equal: its words without gaps.

    >>> same("InvoiceDate") == same("invoice_date") == "invoicedate"
    True
    """
    return "".join(words(name))


def likeness(name: str, wanted: str, synonyms: tuple[str, ...]) -> float:
    """How well the raw `name` fits the contract's `wanted`: 3 equal, 2 a synonym, 1 the words of one among others, 0.

    Among synonyms the earlier ones fit better, by hundredths.
    """
    if same(name) == same(wanted):
        return 3.0
    for base, fits in ((2.0, _equal), (1.0, _within)):
        for rank, synonym in enumerate((wanted, *synonyms)):
            if fits(name, synonym):
                return base + 0.9 - rank / 100
    return 0.0


def _equal(name: str, synonym: str) -> bool:
    return same(name) == same(synonym)


def _within(name: str, synonym: str) -> bool:
    return set(words(synonym)) <= set(words(name))
